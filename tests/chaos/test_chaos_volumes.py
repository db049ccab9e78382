"""A volume with very many files whose labels or owners would change: no daemon walks it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.linux import mounts, syscalls
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import pod_config
from tests.fixtures.daemon import Daemon

DIRECTORIES, FILES = 40, 50  # files in each
MAPPING: Any = {"container_id": 0, "host_id": 100000, "length": 65536}
MS_STRICTATIME = 1 << 24  # every read of a directory changes its access time

Facts = dict[Path, tuple[int, int, int]]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, open_to_others) as started:
        yield started


def open_to_others(daemon: Daemon) -> None:
    """Root of a user namespace must be able to enter the directories below."""
    daemon.directory.chmod(0o711)


@pytest.fixture
def volume(daemon: Daemon) -> Iterator[list[Path]]:
    """All paths of a volume; the volume itself is the first."""
    root = daemon.directory / "volume"
    root.mkdir()
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID | MS_STRICTATIME, "mode=755")
    directories = [root / f"d{n}" for n in range(DIRECTORIES)]
    files = [directory / f"f{n}" for directory in directories for n in range(FILES)]
    for directory in directories:
        directory.mkdir()
    for file in files:
        file.write_text("x")
    yield [root, *directories, *files]
    mounts.unmount(root)
    root.rmdir()


def facts(volume: list[Path]) -> Facts:
    """Return access time, change time and owner of each entry."""
    found = [(path, path.lstat()) for path in volume]
    return {path: (stat.st_atime_ns, stat.st_ctime_ns, stat.st_uid) for path, stat in found}


def owned(userns: bool) -> tuple[api.NamespaceOption, list[api.IDMapping]]:
    """Return the namespaces of a pod with or without its own users, and its volumes' mapping."""
    options = api.NamespaceOption(pid=api.CONTAINER)
    mapping = [api.IDMapping(**MAPPING)] if userns else []
    if userns:
        options.userns_options.CopyFrom(api.UserNamespace(mode=api.POD, uids=mapping, gids=mapping))
    return options, mapping


@pytest.mark.parametrize("userns", [False, True])
@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_relabelling_and_ownership_do_not_walk_a_volume(
    rig: Rig, volume: list[Path], handler: str, userns: bool
) -> None:
    options, mapping = owned(userns)
    config = pod_config(rig.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h")
    config.linux.security_context.namespace_options.CopyFrom(options)
    pod = await rig.cri.run_pod(config, handler)
    linux = api.LinuxContainerConfig()
    linux.security_context.namespace_options.CopyFrom(options)
    asked = api.Mount(host_path=str(volume[0]), container_path="/data", selinux_relabel=True)
    asked.uidMappings.extend(mapping)
    asked.gidMappings.extend(mapping)
    before = facts(volume)
    container = await rig.cri.run(pod, ["sleep", "600"], mounts=[asked], linux=linux)
    assert facts(volume) == before
    assert await rig.cri.sh(container, "cat /data/d1/f1; stat -c %u /data/d1/f1") == "x0\n"
    assert facts(volume) != before  # the access is visible, so an earlier walk would have been, too
