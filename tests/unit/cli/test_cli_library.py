"""What the library can do, the command line can: each public method has its command."""

import inspect

import pytest

from cri_shim import Runtime
from cri_shim.cli.command_line import parser
from cri_shim.library.container import Container
from cri_shim.library.handle import Handle
from cri_shim.library.image import Image
from cri_shim.library.pod import Pod

COMMANDS = {
    "Runtime.info": "info",
    "Runtime.check": "check",
    "Runtime.compare": "check",
    "Runtime.leaks": "leaks",
    "Runtime.config": "config",
    "Runtime.pods": "pods",
    "Runtime.pod": "inspect",
    "Runtime.create_pod": "run",
    "Runtime.containers": "ps",
    "Runtime.container": "inspect",
    "Runtime.reload": "reload",
    "Runtime.prune": "prune",
    "Runtime.images": "image list",
    "Runtime.image": "image inspect",
    "Runtime.layers": "df",
    "Runtime.pull_image": "image pull",
    "Runtime.load_image": "image load",
    "Runtime.prune_images": "image prune",
    "Runtime.serve": "serve",
    "Pod.containers": "ps",
    "Pod.inspect": "inspect",
    "Pod.create_container": "run",
    "Pod.start": "start",
    "Pod.stop": "stop",
    "Pod.remove": "rm",
    "Pod.stats": "stats",
    "Container.inspect": "inspect",
    "Container.start": "start",
    "Container.stop": "stop",
    "Container.kill": "kill",
    "Container.pause": "pause",
    "Container.unpause": "unpause",
    "Container.wait": "wait",
    "Container.wait_until": "wait",
    "Container.remove": "rm",
    "Container.exec": "exec",
    "Container.open_exec": "exec",
    "Container.attach": "attach",
    "Container.start_attached": "run",
    "Container.logs": "logs",
    "Container.top": "top",
    "Container.stats": "stats",
    "Container.diff": "diff",
    "Container.commit": "commit",
    "Container.export": "export",
    "Image.history": "image history",
    "Image.inspect": "image inspect",
    "Image.tag": "image tag",
    "Image.untag": "image untag",
    "Image.mount": "image mount",
    "Image.unmount": "image unmount",
    "Image.diff": "image diff",
    "Image.save": "image save",
    "Image.remove": "image rm",
}
# Methods without a command, each with its reason.
EXCEPTIONS = {
    "Runtime.from_config": "the flag --config",
    "Runtime.configure": "the configuration file, and --set",
    "Runtime.engine": "for the code below the library",
    "Runtime.generate_name": "`run` names its pod itself",
    "Runtime.stop": "SIGTERM to the daemon",
    "Runtime.shutdown": "for a program that ends its own runtime; the daemon keeps containers",
}


def _public(of: type) -> set[str]:
    """Return the methods; other properties are shown by `inspect`."""
    return {
        f"{of.__name__}.{name}"
        for name, member in inspect.getmembers(of)
        if not name.startswith("_") and not hasattr(Handle, name)
        if callable(member) or name == "engine"
    }


def test_every_method_of_the_library_has_a_command_or_a_reason_for_none() -> None:
    methods = set().union(*map(_public, (Runtime, Pod, Container, Image)))
    assert methods == COMMANDS.keys() | EXCEPTIONS.keys()
    assert not COMMANDS.keys() & EXCEPTIONS.keys()


@pytest.mark.parametrize("command", sorted(set(COMMANDS.values())))
def test_the_command_is_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command.split(), "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out
