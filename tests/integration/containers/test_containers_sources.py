"""Sources of bind mounts: mounts that exist during a start, and that none stays."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.linux import mounts, syscalls
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon

MAPPING: Any = {"container_id": 0, "host_id": 100000, "length": 65536}


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A volume with a mount below it, both shared: as the whole tree is on a usual node."""
    root = tmp_path / "volume"
    root.mkdir()
    for directory in (root, root / "below"):
        directory.mkdir(exist_ok=True)
        syscalls.mount("tmpfs", directory, "tmpfs", 0, "mode=755")
        mounts.make_shared(directory)
    (root / "below" / "file").touch()
    yield root
    mounts.unmount(root / "below")
    mounts.unmount(root)


async def run(cri: Cri, handler: str, mount: api.Mount, *, privileged: bool = False) -> str:
    pod_security = pod_config(cri.daemon)
    pod_security.linux.security_context.privileged = privileged
    pod = await cri.run_pod(pod_security, handler)
    config = container_config(["sleep", "60"], mounts=[mount])
    config.linux.security_context.privileged = privileged
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


def left_mounted(cri: Cri, container: str) -> list[str]:
    bundle = cri.daemon.run_root / "containers" / container
    return [str(path.relative_to(bundle)) for path in mounts.mounts_below(bundle)]


@pytest.mark.parametrize(
    "propagation",
    [
        api.PROPAGATION_PRIVATE,
        api.PROPAGATION_HOST_TO_CONTAINER,
        api.PROPAGATION_BIDIRECTIONAL,
    ],
)
async def test_a_start_leaves_no_mount_of_a_volume_and_ends_none_of_the_node(
    cri: Cri, handler: str, volume: Path, propagation: Any
) -> None:
    mount = api.Mount(container_path="/data", host_path=str(volume), propagation=propagation)
    container = await run(cri, handler, mount, privileged=True)
    assert await cri.sh(container, "ls /data/below") == "file\n"
    assert left_mounted(cri, container) == ["rootfs"]
    assert (volume / "below").is_mount()
    (volume / "later").mkdir()
    syscalls.mount("tmpfs", volume / "later", "tmpfs", 0, "mode=755")
    (volume / "later" / "late").touch()
    seen = await cri.sh(container, "ls /data/later")
    await cri.exec(container, "umount", "/data/below")
    still_there = (volume / "below").is_mount()
    mounts.unmount(volume / "later")
    assert seen == ("late\n" if propagation else "")
    assert still_there == (propagation != api.PROPAGATION_BIDIRECTIONAL)


async def test_a_volume_with_the_ids_of_the_pod_keeps_its_mounts_on_the_node(
    cri: Cri, handler: str, volume: Path
) -> None:
    mapping = [api.IDMapping(**MAPPING)]
    options = api.NamespaceOption(pid=api.CONTAINER)
    options.userns_options.CopyFrom(api.UserNamespace(mode=api.POD, uids=mapping, gids=mapping))
    config = pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h")
    config.linux.security_context.namespace_options.CopyFrom(options)
    pod = await cri.run_pod(config, handler)
    linux = api.LinuxContainerConfig()
    linux.security_context.namespace_options.CopyFrom(options)
    asked = api.Mount(host_path=str(volume), container_path="/data")
    asked.uidMappings.extend(mapping)
    asked.gidMappings.extend(mapping)
    container = await cri.run(pod, ["sleep", "60"], mounts=[asked], linux=linux)
    assert await cri.sh(container, "stat -c %u /data") == "0\n"
    assert (volume / "below").is_mount()
    assert left_mounted(cri, container) == ["rootfs"]


async def test_the_verbose_status_names_the_source_on_the_node(cri: Cri, volume: Path) -> None:
    container = await run(cri, "", api.Mount(container_path="/data", host_path=str(volume)))
    spec = (await cri.info(container))["runtimeSpec"]
    assert [m["source"] for m in spec["mounts"] if m["destination"] == "/data"] == [str(volume)]


@pytest.mark.parametrize("readonly", [False, True])
async def test_a_declared_volume_that_is_new_belongs_to_the_containers_user(
    cri: Cri, handler: str, readonly: bool
) -> None:
    archive = cri.daemon.directory / "declares.tar"
    volumes: dict[str, Any] = {"/new/deep": {}, "/var/www": {}}
    busybox.archive(archive, {"Volumes": volumes, "User": "web:staff"}, "localhost/declares:1")
    await cri.daemon.load(archive)
    config = container_config(["sleep", "60"], image="localhost/declares:1")
    config.linux.security_context.readonly_rootfs = readonly
    container = await cri.create(await cri.run_pod(handler=handler), config)
    await cri.start(container)
    owners = await cri.sh(container, "touch /new/deep/file; stat -c %u:%g /new /new/deep /var/www")
    assert owners.split() == ["1000:50", "1000:50", "0:0"]


async def test_a_start_does_not_change_shared_mounts_of_the_node(
    everything_shared: Daemon, handler: str, tmp_path: Path
) -> None:
    """As on a usual node; the whole tree is bound, with the places in it."""
    daemon = everything_shared
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await daemon.load(busybox.archive(daemon.directory / "busybox.tar"))
        await cri.remove_pod(await cri.run_pod())  # it makes what stays
        before = own_mounts(daemon, tmp_path)
        for propagation in api.MountPropagation.values():
            mount = api.Mount(
                container_path="/host", host_path="/", propagation=propagation, readonly=True
            )
            container = await run(cri, handler, mount, privileged=True)
            assert await cri.sh(container, f"ls /host{tmp_path}/below") == "file\n"
            assert not [m for m in own_mounts(daemon, tmp_path) if "/sources" in m]
            await cri.remove_all()
        assert own_mounts(daemon, tmp_path) == before


@pytest.fixture
def everything_shared(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon in a mount namespace of its own, with a volume that has a mount below it."""
    (tmp_path / "below").mkdir()
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        daemon = Daemon(Path(directory), number=1)
        daemon.settings["network.netns_dir"] = f"{directory}/netns"
        below = f"mount -t tmpfs below {tmp_path}/below && touch {tmp_path}/below/file"
        daemon.wrapper = ["unshare", "--mount", "--propagation", "shared", "sh", "-c"]
        daemon.wrapper += [f'{below} && exec "$@"', "sh"]
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.end()


def own_mounts(daemon: Daemon, *directories: Path) -> list[str]:
    """Return the daemon's mounts below its own directory, and below others of the test."""
    lines = Path(f"/proc/{daemon.pid}/mountinfo").read_text().splitlines()
    targets = [line.split(" ")[4] for line in lines]
    ours = tuple(map(str, (daemon.directory, *directories)))
    return sorted(target for target in targets if target.startswith(ours))


async def test_a_missing_source_is_refused_and_the_key_that_makes_it_is_named(
    cri: Cri, tmp_path: Path
) -> None:
    asked = api.Mount(container_path="/data", host_path=str(tmp_path / "new"))
    problem = rf"mounts\[0\].host_path: {tmp_path}/new does not exist on this node; make it, or set"
    with pytest.raises(InvalidArgument, match=rf"{problem} containers.missing_mount_source"):
        await cri.create(await cri.run_pod(), container_config(["true"], mounts=[asked]))
    assert list(tmp_path.iterdir()) == []
