"""A carelessly configured node: privilege escalations are refused, other problems are warned of."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

OTHER = 12345  # a user and a group without an account
CARELESS: list[tuple[str, Callable[[Path], None]]] = [
    ("everybody may write to", lambda path: path.chmod(path.stat().st_mode | 0o002)),
    (f"group {OTHER} may write to", lambda path: _of_group(path)),
    (f"belongs to user {OTHER}", lambda path: os.chown(path, OTHER, 0)),
]
WAYS = pytest.mark.parametrize(("said", "spoil"), CARELESS, ids=["everybody", "group", "owner"])


def _of_group(path: Path) -> None:
    os.chown(path, 0, OTHER)
    path.chmod(path.stat().st_mode | 0o020)


def refusal(daemon: Daemon) -> str:
    """Return the error of a daemon that does not start: one sentence without a traceback."""
    done = subprocess.run(
        daemon.command(), capture_output=True, text=True, timeout=60, env=os.environ | daemon.env
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("cri-shim: ")]
    return said


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that was not started, and its configuration."""
    daemon = Daemon(tmp_path)
    daemon.command()
    yield daemon
    daemon.end()


@WAYS
def test_a_configuration_that_others_may_change_is_not_read(
    stopped: Daemon, said: str, spoil: Callable[[Path], None]
) -> None:
    config = stopped.directory / "config.toml"
    spoil(config)
    done = subprocess.run(stopped.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"configuration {config} is not read: " in done.stderr
    assert said in done.stderr


def test_a_configuration_in_a_directory_of_others_is_not_read(stopped: Daemon) -> None:
    theirs = stopped.directory / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    (theirs / "config.toml").write_text((stopped.directory / "config.toml").read_text())
    command = [*stopped.command()]
    command[command.index("--config") + 1] = str(theirs / "config.toml")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"{theirs} belongs to user {OTHER}" in done.stderr


@pytest.mark.parametrize("which", ["root", "run_root"])
@WAYS
def test_a_root_that_others_may_write_to_is_refused(
    stopped: Daemon, which: str, said: str, spoil: Callable[[Path], None]
) -> None:
    directory: Path = getattr(stopped, which)
    directory.mkdir(mode=0o755)
    spoil(directory)
    text = refusal(stopped)
    assert said in text or f"belongs to user {OTHER}" in text
    assert str(directory) in text
    assert [path for path in directory.iterdir() if path.name != "lock"] == []


@pytest.mark.parametrize(
    ("key", "program"), [("conmon_path", "conmon"), ("image.skopeo_path", "skopeo")]
)
@WAYS
def test_a_program_that_others_may_change_is_not_executed(
    stopped: Daemon, key: str, program: str, said: str, spoil: Callable[[Path], None]
) -> None:
    copy = stopped.directory / program
    copy.write_text(f'#!/bin/sh\ntouch {stopped.directory}/executed\nexec {program} "$@"\n')
    copy.chmod(0o755)
    spoil(copy)
    stopped.settings[key] = str(copy)
    text = refusal(stopped)
    assert f"{copy} is not used as {program}: " in text
    assert said in text
    assert not (stopped.directory / "executed").exists()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with every problem that is only warned of, including old programs."""
    place = tmp_path_factory.mktemp("place")
    for name in ("net.d", "plugins", "sockets", "hooks.d"):
        (place / name).mkdir()
    for plugin in Path("/usr/lib/cni").iterdir():
        shutil.copy(plugin, place / "plugins" / plugin.name)
    (place / "plugins" / "tuning").chmod(0o757)
    (place / "net.d").chmod(0o777)
    (place / "sockets").chmod(0o777)
    for name, version in (("runc", "1.0.0-rc6"), ("crun", "0.10.2")):
        old = place / f"old-{name}"
        answer = f'[ "$1" = --version ] && echo {name} version {version} && exit 0'
        old.write_text(f'#!/bin/sh\n{answer}\nexec {shutil.which(name)} "$@"\n')
        old.chmod(0o755)
    (place / "theirs").mkdir()
    shutil.copy(place / "old-crun", place / "theirs" / "crun")
    os.chown(place / "theirs", OTHER, OTHER)
    unsafe = place / "unsafe"
    shutil.copy(place / "old-runc", unsafe)
    unsafe.chmod(0o757)
    settings: dict[str, Any] = {
        "cni_plugin_dir": str(place / "plugins"),
        "cni_config_dir": str(place / "net.d"),
        "hooks_dir": str(place / "hooks.d"),
        "runtimes.old-runc.path": str(place / "old-runc"),
        "runtimes.old-crun.path": str(place / "old-crun"),
        "runtimes.unsafe.path": str(unsafe),
        "runtimes.theirs.path": str(place / "theirs" / "crun"),
    }
    with private_daemon(0, **settings) as started:
        started.kill()
        started.log.unlink()
        started.socket = place / "sockets" / "cri.sock"
        theirs = started.directory / "theirs"
        theirs.mkdir()
        os.chown(theirs, OTHER, OTHER)
        started.root.rename(theirs / "root")
        started.root = theirs / "root"
        started.start()
        yield started


async def told(daemon: Daemon) -> list[str]:
    """The warnings of Info."""
    async with Client(daemon.socket) as client:
        info = await client.control.Info(control.InfoRequest())
    problems = json.loads(info.json)["problems"]
    return ["; ".join(filter(None, (p["sentence"], p["remedy"]))) for p in problems]


async def test_careless_permissions_are_warned_of_once_in_the_log_and_in_info(
    daemon: Daemon,
) -> None:
    warnings = await told(daemon)
    place = daemon.socket.parents[1]
    expected = [
        f"server.root: {daemon.root.parent} belongs to user {OTHER}: change its owner",
        f"server.socket: everybody may write to {place}/sockets: chmod o-w",
        f"cni_config_dir: everybody may write to {place}/net.d: chmod o-w",
        f"a CNI plugin: everybody may write to {place}/plugins/tuning: chmod o-w",
        f"runtimes.theirs.path: {place}/theirs belongs to user {OTHER}: change its owner",
    ]
    assert [line for line in expected if line not in warnings] == []
    log = daemon.log.read_text().splitlines()
    assert all(sum(line.endswith(warning) for line in log) == 1 for warning in warnings)


async def test_programs_with_known_escapes_are_warned_of_with_a_remedy(
    daemon: Daemon,
) -> None:
    warnings = await told(daemon)
    old_runc = [line for line in warnings if line.startswith("runc version 1.0.0-rc6: ")]
    old_crun = [line for line in warnings if line.startswith("crun version 0.10.2: ")]
    assert any("CVE-2019-5736" in line and "install runc 1.0.0-rc7" in line for line in old_runc)
    assert any("CVE-2024-21626" in line for line in old_runc)
    assert any("CVE-2025-31133" in line for line in old_runc)
    assert any("CVE-2019-18837" in line for line in old_crun)
    assert all("unless your distribution fixed it" in line for line in old_runc + old_crun)


async def test_a_handler_whose_program_others_may_change_does_not_work(daemon: Daemon) -> None:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        with pytest.raises(Exception, match="everybody may write to") as refused:
            await cri.run_pod(handler="unsafe")
    assert "unsafe does not work" in str(refused.value)


@pytest.mark.parametrize("what", ["definition", "program", "directory", "way"])
async def test_a_hook_that_others_may_change_is_not_run(
    daemon: Daemon, tmp_path: Path, what: str
) -> None:
    hooks = Path(str(daemon.settings["hooks_dir"]))
    below = tmp_path / "below"
    below.mkdir()
    program = below / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\ncat >/dev/null\n")
    program.chmod(0o755)
    document = {
        "version": "1.0.0",
        "hook": {"path": str(program)},
        "when": {"always": True},
        "stages": ["createRuntime"],
    }
    (hooks / "own.json").write_text(json.dumps(document))
    paths = {
        "definition": hooks / "own.json",
        "program": program,
        "directory": hooks,
        "way": below,
    }
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        try:
            pod = await cri.run_pod()
            await cri.run(pod, ["true"], "before")
            assert (tmp_path / "executed").exists()
            (tmp_path / "executed").unlink()
            before = paths[what].stat().st_mode
            paths[what].chmod(0o777)
            await cri.run(pod, ["true"], "after")
            info = json.loads((await cri.control.Info(control.InfoRequest())).json)
            paths[what].chmod(before)
        finally:
            hooks.chmod(0o755)
            (hooks / "own.json").unlink()
            await cri.remove_all()
    assert not (tmp_path / "executed").exists()
    assert f"everybody may write to {paths[what]}" in " ".join(info["hooks"]["problems"])


async def test_config_check_warns_of_careless_permissions(daemon: Daemon) -> None:
    command = daemon.command()
    command[-1:] = ["config", "--check"]
    done = await child.run(command, timeout=60)
    assert done.returncode == 0
    assert f"server.root: {daemon.root.parent} belongs to user {OTHER}" in done.stderr.decode()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server.socket", "/dev/null/x"),
        ("server.root", "/proc"),
        ("server.run_root", "/proc"),
        ("streaming.address", "::1%a b"),
        ("streaming.tls_key_file", "/dev/null"),
    ],
)
def test_an_impossible_configuration_is_refused_with_a_sentence(
    stopped: Daemon, key: str, value: str
) -> None:
    places = {"server.root": "root", "server.run_root": "run_root", "server.socket": "socket"}
    if key in places:
        setattr(stopped, places[key], Path(value))
    else:
        stopped.settings[key] = value
    command = stopped.command()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("cri-shim: ")]


def test_paths_of_almost_the_maximum_length_work(stopped: Daemon) -> None:
    long = "/" + "/".join(["x" * 200] * 18)  # the names of files below it are too long
    for key in ("cni_config_dir", "cni_plugin_dir", "hooks_dir", "default_mounts_file"):
        stopped.settings[key] = long
    stopped.settings["containers.cdi_spec_dirs"] = [long]
    stopped.settings["seccomp_profile"] = [long]
    stopped.start()
    stopped.stop()
