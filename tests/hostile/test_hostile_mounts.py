"""Images and volumes made to have something of the node mounted into a container."""

from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.images import Image, Tar, busybox_layer

NAME = "localhost/hostile:1"
MOUNTS = "grep -v '^overlay / ' /proc/mounts"


async def load(cri: Cri, image: Image, name: str = NAME) -> str:
    """Load an image from an archive; its name."""
    path = image.write_docker_archive(cri.daemon.directory / "image.tar", [name])
    await cri.control.LoadImage(control.LoadImageRequest(source=f"docker-archive:{path}"))
    path.unlink()
    return name


async def created(
    cri: Cri, pod: str, image: str, *asked: api.Mount, name: str = "victim", readonly: bool = True
) -> str:
    """A container with the mounts, and a read-only root."""
    config = container_config(["sleep", "60"], name, image=image, mounts=asked)
    config.linux.security_context.readonly_rootfs = readonly
    return await cri.create(pod, config)


async def started(
    cri: Cri, pod: str, image: str, *asked: api.Mount, name: str = "victim", readonly: bool = True
) -> str:
    container = await created(cri, pod, image, *asked, name=name, readonly=readonly)
    await cri.start(container)
    return container


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A directory of the node that no container is given."""
    directory = tmp_path / "node"
    directory.mkdir()
    (directory / "secret").touch()
    return directory


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory of the node that containers may write to."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


async def test_a_declared_volume_below_a_tenants_volume_is_not_mounted(
    cri: Cri, handler: str, node: Path, volume: Path
) -> None:
    """A symbolic link of the image leads to a directory that the tenant replaces by another."""
    layer = Tar().directory("data/sub").directory("a").symlink("a/v", "../data/sub")
    layer.directory(str(node)[1:])  # for the OCI runtime to find it there as well
    image = await load(cri, Image([busybox_layer(), layer], {"Volumes": {"/a/v": {}}}))
    pod = await cri.run_pod(handler=handler)
    asked = api.Mount(container_path="/data", host_path=str(volume))
    init = await started(cri, pod, image, asked, name="init", readonly=False)
    await cri.sh(init, f"rm -rf /data/sub; ln -s {node} /data/sub")
    container = await started(cri, pod, image, asked)
    answer = await cri.exec(container, "ls", f"{node}", "/data/sub/", "/a/v/")
    await cri.exec(container, "touch", "/a/v/written", "/data/sub/written", f"{node}/written")
    mounted = await cri.sh(container, "cat /proc/mounts")
    assert b"secret" not in answer.stdout
    assert [entry.name for entry in node.iterdir()] == ["secret"]
    assert f" {node} " not in mounted


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/sys/kernel", "/proc", "/sys", "/sys/kernel", "/sys/fs/cgroup"),
        *("/dev", "/dev/shm/x", "/etc", "/etc/hosts", "/link/kernel", "/", "link/../proc"),
    ],
)
async def test_a_declared_volume_changes_nothing_that_every_container_has(
    cri: Cri, handler: str, path: str
) -> None:
    layers = [busybox_layer(), Tar().symlink("link", "../../proc/sys")]
    plain = await load(cri, Image(layers), "localhost/plain:1")
    image = await load(cri, Image(layers, {"Volumes": {path: {}}}))
    pod = await cri.run_pod(handler=handler)
    one = await started(cri, pod, plain, name="one")
    two = await started(cri, pod, image, name="two")
    assert await cri.sh(two, MOUNTS) == await cri.sh(one, MOUNTS)
    assert (await cri.exec(two, "sh", "-c", "echo 1 >/proc/sys/kernel/sysrq")).exit_code != 0


async def test_a_declared_volume_that_a_mount_covers_through_a_link_is_not_mounted(
    cri: Cri, handler: str, volume: Path
) -> None:
    layers = [busybox_layer(), Tar().directory("data/sub").symlink("x", "data")]
    plain = await load(cri, Image(layers), "localhost/plain:1")
    image = await load(cri, Image(layers, {"Volumes": {"/data/sub": {}, "/x": {}}}))
    pod = await cri.run_pod(handler=handler)
    asked = api.Mount(container_path="/x", host_path=str(volume))
    one = await started(cri, pod, plain, asked, name="one")
    two = await started(cri, pod, image, asked, name="two")
    assert await cri.sh(two, MOUNTS) == await cri.sh(one, MOUNTS)


@pytest.mark.parametrize("replaced", ["sub", "sub/deep"])
async def test_a_source_that_a_tenant_replaced_since_it_was_found_is_not_mounted(
    cri: Cri, handler: str, node: Path, volume: Path, replaced: str
) -> None:
    (volume / "sub" / "deep").mkdir(parents=True)
    (node / "deep").mkdir()
    image = await load(cri, Image([busybox_layer()]))
    pod = await cri.run_pod(handler=handler)
    asked = api.Mount(container_path="/data", host_path=str(volume / "sub" / "deep"))
    container = await created(cri, pod, image, asked)
    (volume / replaced).rename(volume / "moved")
    (volume / replaced).symlink_to(node)
    with pytest.raises(ToolFailed, match=rf"cannot bind {volume}/sub/deep, which was found"):
        await cri.start(container)
    assert sorted(entry.name for entry in node.iterdir()) == ["deep", "secret"]


@pytest.mark.parametrize(
    ("volumes", "problem"),
    [
        ([f"/v{n}" for n in range(257)], "it declares 257 VOLUMEs; a container has 256 at most"),
        (["/d" * 2500], "cannot be a directory: File name too long"),
        (["/file/below"], "its VOLUME '/file/below' cannot be a directory: Not a directory"),
        (["/loop"], "its VOLUME '/loop' cannot be a directory: Too many levels of symbolic links"),
        (["/" + "n" * 300], "cannot be a directory: File name too long"),
    ],
)
async def test_impossible_declared_volumes_are_refused_with_a_sentence(
    cri: Cri, volumes: list[str], problem: str
) -> None:
    layer = Tar().file("file").symlink("loop", "loop")
    config: dict[str, Any] = {"Volumes": {path: {} for path in volumes}}
    image = await load(cri, Image([busybox_layer(), layer], config))
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=f"^config.image: .*{problem}"):
        await created(cri, pod, image)
    assert await cri.containers() == []
