"""The node's /dev/null stays root's, although processes have it as standard input.

crun before 1.24 gives its standard streams to the user of the container. The daemon of this file
has a /dev/null of its own, in a mount namespace of its own.
"""

import asyncio
import os
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.host import until

MAPPING = api.IDMapping(container_id=0, host_id=300000, length=65536)
USERNS = api.UserNamespace(mode=api.POD, uids=[MAPPING], gids=[MAPPING])


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        Path(directory).chmod(0o711)  # root of a user namespace passes here
        daemon = Daemon(Path(directory))
        daemon.settings["network.netns_dir"] = f"{directory}/netns"
        os.mknod(null(daemon), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null(daemon).chmod(0o666)
        script = f'mount --bind {null(daemon)} /dev/null && exec "$@"'
        daemon.wrapper = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
        ]
        try:
            daemon.start()
            asyncio.run(daemon.load(busybox.archive(daemon.directory / "busybox.tar")))
            yield daemon
        finally:
            daemon.end()


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()


def null(daemon: Daemon) -> Path:
    return daemon.directory / "null"


def owner(daemon: Daemon) -> tuple[int, int, int]:
    facts = null(daemon).stat()
    return facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)


def test_the_smoke_test_of_the_oci_runtimes_does_not_change_it(daemon: Daemon) -> None:
    assert owner(daemon) == (0, 0, 0o666)


@pytest.mark.parametrize("userns", [True, False])
async def test_a_container_cannot_change_the_null_device(
    cri: Cri, handler: str, userns: bool
) -> None:
    spaces = api.NamespaceOption(pid=api.CONTAINER, userns_options=USERNS if userns else None)
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=spaces)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux, hostname="x"), handler)
    context = api.LinuxContainerSecurityContext(
        namespace_options=spaces, run_as_user=None if userns else api.Int64Value(value=54321)
    )
    script = "chmod 600 /dev/stdin; chmod 600 /dev/null; echo x >/dev/null && echo done; sleep 60"
    container = await cri.run(
        pod, ["sh", "-c", script], linux=api.LinuxContainerConfig(security_context=context)
    )
    log = Path((await cri.status(container)).log_path)
    await until(lambda: "done" in log.read_text() or "denied" in log.read_text())
    assert owner(cri.daemon) == (0, 0, 0o666)
    for command in (["true"], ["sh", "-c", "chmod 600 /dev/stdin /dev/null; true"]):
        await cri.exec(container, *command)
        assert owner(cri.daemon) == (0, 0, 0o666)
        words = [sys.executable, "-m", "cri_shim", "--socket", str(cri.daemon.socket), "exec"]
        done = await child.run([*words, container, *command], timeout=60)
        assert done.returncode == 0, done
        assert owner(cri.daemon) == (0, 0, 0o666)


async def test_a_container_that_keeps_trying_while_another_is_made_changes_nothing_for_long(
    cri: Cri, handler: str
) -> None:
    spaces = api.NamespaceOption(pid=api.CONTAINER, userns_options=USERNS)
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=spaces)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux, hostname="x"), handler)
    context = api.LinuxContainerSecurityContext(namespace_options=spaces)
    of_container = api.LinuxContainerConfig(security_context=context)
    script = "while :; do chmod 600 /dev/null; usleep 500; done 2>/tmp/said"
    await cri.run(pod, ["sh", "-c", script], "trying", linux=of_container)
    for number in range(3):
        await cri.run(pod, ["sleep", "60"], f"other{number}", linux=of_container)
        assert owner(cri.daemon) == (0, 0, 0o666)


async def test_unrequested_input_is_empty_and_unrequested_output_is_discarded(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    assert await cri.sh(container, "wc -c") == "0\n"
    words = [sys.executable, "-m", "cri_shim", "--socket", str(cri.daemon.socket), "exec"]
    script = "wc -c; head -c 10000000 /dev/zero >&2; echo end"
    done = await child.run([*words, container, "sh", "-c", script], timeout=60)
    assert done.stdout == b"0\nend\n"
