"""Another user of the node cannot reach any file of the runtime."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.busybox import NAME
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.hostile.users import NOBODY, as_user, everything_below, reachable

BASE, OTHER_BASE = 200_000, 300_000
DATA = {"nosuid", "nodev", "noexec"}
FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


def mapped(base: int, **namespaces: int) -> api.NamespaceOption:
    """Namespaces of a pod whose root is the user `base` of the node."""
    ids = api.IDMapping(container_id=0, host_id=base, length=65536)
    space = api.UserNamespace(mode=api.POD, uids=[ids], gids=[ids])
    return api.NamespaceOption(userns_options=space, **{"pid": api.CONTAINER, **namespaces})  # type: ignore[arg-type]


async def run(cri: Cri, handler: str, options: api.NamespaceOption, **fields: Any) -> str:
    """A container that sleeps, in a pod of its own, both with these namespaces."""
    config = pod_config(cri.daemon, hostname="mine")
    config.linux.security_context.namespace_options.CopyFrom(options)
    pod = await cri.run_pod(config, handler)
    linux = api.LinuxContainerConfig()
    linux.security_context.namespace_options.CopyFrom(options)
    linux.security_context.namespace_options.pid = options.pid
    return await cri.run(pod, ["sleep", "60"], linux=linux, **fields)


async def all_kinds(cri: Cri, handler: str) -> list[str]:
    """Containers of every kind of pod: plain, with a pause process, with user namespaces."""
    image = api.Mount(image=api.ImageSpec(image=NAME), container_path="/image", readonly=True)
    return [
        await run(cri, handler, api.NamespaceOption(pid=api.CONTAINER), mounts=[image]),
        await run(cri, handler, api.NamespaceOption(pid=api.POD)),
        await run(cri, handler, mapped(BASE), mounts=[image]),
        await run(cri, handler, mapped(OTHER_BASE, pid=api.POD)),
    ]


def reachable_by(cri: Cri, uid: int, gid: int) -> set[Path]:
    """All that the user can reach, but the two top directories and the socket."""
    tops = (cri.daemon.root, cri.daemon.run_root)
    return reachable(everything_below(*tops), uid, gid) - set(tops)


async def test_other_users_cannot_reach_anything_below_the_two_roots(
    cri: Cri, handler: str
) -> None:
    containers = await all_kinds(cri, handler)
    for container in containers:
        await cri.exec(container, "true")
    assert reachable_by(cri, NOBODY, NOBODY) == set()


async def test_a_user_with_the_group_of_a_pods_root_reaches_only_its_root_file_system(
    cri: Cri, handler: str
) -> None:
    containers = await all_kinds(cri, handler)
    mine = cri.daemon.run_root / "containers" / containers[2]
    found = reachable_by(cri, NOBODY, BASE)
    passed = {mine, mine.parent, cri.daemon.run_root / "pods"}
    others = {path for path in found - passed if not path.is_relative_to(mine / "rootfs")}
    assert {path for path in others if path.suffix != ".pid" and path.name != "pidfile"} == set()
    assert as_user(NOBODY, BASE, lambda: _readable(mine / "config.json")) is False


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return False
    return True


async def test_the_groups_of_removed_pods_lose_access(cri: Cri, handler: str) -> None:
    await all_kinds(cri, handler)
    for pod in await cri.pods():
        await cri.remove_pod(pod)
    for name in ("pods", "containers"):
        assert stat.S_IMODE((cri.daemon.run_root / name).stat().st_mode) == 0o700
    assert reachable_by(cri, NOBODY, BASE) == set()


@pytest.mark.parametrize("options", [api.NamespaceOption(pid=api.CONTAINER), mapped(BASE)])
async def test_shared_mounts_of_containers_have_nosuid_and_nodev(
    cri: Cri, handler: str, options: api.NamespaceOption
) -> None:
    container = await run(cri, handler, options)
    table = [line.split() for line in (await cri.sh(container, "cat /proc/mounts")).splitlines()]
    for path in (*FILES, "/dev/shm"):
        found = next(set(line[3].split(",")) for line in table if line[1] == path)
        assert found >= DATA, path
    await cri.sh(container, "cat /bin/busybox > /etc/hostname && chmod 4755 /etc/hostname")
    answer = await cri.exec(container, "sh", "-c", "/etc/hostname true")
    assert (answer.exit_code, b"ermission denied" in answer.stderr) == (126, True)
    assert reachable_by(cri, NOBODY, NOBODY) == set()


@pytest.fixture
def own_daemon() -> Iterator[Daemon]:
    """Of one test: a restarted one is another process."""
    with private_daemon(1) as started:
        yield started


async def test_directories_of_an_earlier_version_become_private_at_the_start(
    own_daemon: Daemon,
) -> None:
    options = mapped(BASE, pid=api.POD)
    async with Client(own_daemon.socket) as client:
        before = Cri(own_daemon, client)
        await run(before, "", options)
        opened = [path for top in (own_daemon.root, own_daemon.run_root) for path in top.iterdir()]
        for path in filter(Path.is_dir, opened):
            path.chmod(0o755)
        assert reachable_by(before, NOBODY, NOBODY) != set()
    own_daemon.kill()
    own_daemon.start()
    async with Client(own_daemon.socket) as client:
        cri = Cri(own_daemon, client)
        assert reachable_by(cri, NOBODY, NOBODY) == set()
        linux = api.LinuxContainerConfig()
        linux.security_context.namespace_options.CopyFrom(options)
        await cri.run(
            (await cri.pods())[0], ["true"], "second", linux=linux
        )  # its root passes again
        await cri.remove_all()
