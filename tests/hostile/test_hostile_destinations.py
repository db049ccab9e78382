"""Links in images and volumes that would have a mount, a device or a command somewhere else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.images import Image, Tar, busybox_layer
from tests.hostile.test_hostile_mounts import load

LEADING_OUT = ["/proc", "/proc/sys", "/sys", "/dev", "/etc", "../../etc", "in/../../etc"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    directory = tmp_path / "volume"
    (directory / "in").mkdir(parents=True)
    return directory


@pytest.fixture
def other(tmp_path: Path) -> Path:
    directory = tmp_path / "other"
    directory.mkdir()
    (directory / "mine").touch()
    return directory


def below(volume: Path, other: Path, path: str = "sub") -> list[api.Mount]:
    """A volume, and another one below it."""
    return [
        api.Mount(container_path="/data", host_path=str(volume)),
        api.Mount(container_path=f"/data/{path}", host_path=str(other)),
    ]


async def creating(cri: Cri, handler: str, *mounts: api.Mount, **fields: Any) -> str:
    pod = await cri.run_pod(handler=handler)
    return await cri.create(pod, container_config(["sleep", "60"], mounts=mounts, **fields))


@pytest.mark.parametrize("target", LEADING_OUT)
async def test_a_link_of_a_volume_cannot_move_a_mount_out_of_it(
    cri: Cri, handler: str, volume: Path, other: Path, target: str
) -> None:
    (volume / "sub").symlink_to(target)
    with pytest.raises(InvalidArgument, match="a symbolic link in it leads 'sub' out of it"):
        await creating(cri, handler, *below(volume, other))
    with pytest.raises(InvalidArgument, match="leads 'sub/new/deep' out of it"):
        await creating(cri, handler, *below(volume, other, "sub/new/deep"))
    assert sorted(path.name for path in volume.iterdir()) == ["in", "sub"]


@pytest.mark.parametrize("target", ["/proc", "/dev", "../../etc"])
async def test_a_link_made_after_the_create_cannot_move_a_mount_either(
    cri: Cri, handler: str, volume: Path, other: Path, target: str
) -> None:
    (volume / "sub").mkdir()
    container = await creating(cri, handler, *below(volume, other))
    (volume / "sub").rmdir()
    (volume / "sub").symlink_to(target)
    with pytest.raises(ToolFailed, match="a symbolic link in it leads 'sub' out of it"):
        await cri.start(container)


@pytest.mark.parametrize(
    ("prepare", "path", "seen"),
    [
        (lambda volume: (volume / "sub").symlink_to("in"), "sub", "/data/in"),
        (lambda volume: None, "new/deep", "/data/new/deep"),
        (lambda volume: (volume / "sub").mkdir(), "sub", "/data/sub"),
    ],
)
async def test_a_mount_below_another_one_may_go_through_links_that_stay_in_it(
    cri: Cri,
    handler: str,
    volume: Path,
    other: Path,
    prepare: Callable[[Path], None],
    path: str,
    seen: str,
) -> None:
    prepare(volume)
    container = await creating(cri, handler, *below(volume, other, path))
    await cri.start(container)
    assert await cri.sh(container, f"ls {seen}") == "mine\n"


async def test_a_device_is_not_made_through_a_link_that_leads_out_of_a_volume(
    cri: Cri, handler: str, volume: Path, tmp_path: Path
) -> None:
    (volume / "dev").symlink_to(tmp_path)
    pod = await cri.run_pod(handler=handler)
    mounts = [api.Mount(container_path="/data", host_path=str(volume))]
    config = container_config(["true"], mounts=mounts)
    config.devices.add(host_path="/dev/zero", container_path="/data/dev/zero")
    with pytest.raises(InvalidArgument, match="leads 'dev/zero' out of it"):
        await cri.create(pod, config)
    assert not (tmp_path / "zero").exists()


async def test_a_link_of_an_image_cannot_move_a_mount_out_of_its_volume(
    cri: Cri, handler: str, other: Path
) -> None:
    name = await load(cri, Image([Tar().symlink("sub", "/proc")]), "localhost/volume:1")
    image = api.Mount(container_path="/image", readonly=True, image=api.ImageSpec(image=name))
    nested = api.Mount(container_path="/image/sub", host_path=str(other))
    with pytest.raises(InvalidArgument, match="leads 'sub' out of it"):
        await creating(cri, handler, image, nested)


async def test_a_link_of_the_image_into_a_volume_is_seen_as_well(
    cri: Cri, handler: str, volume: Path, other: Path
) -> None:
    (volume / "sub").symlink_to("/proc")
    image = await load(cri, Image([busybox_layer(), Tar().symlink("link", "data")]))
    mounts = [
        api.Mount(container_path="/data", host_path=str(volume)),
        api.Mount(container_path="/link/sub", host_path=str(other)),
    ]
    with pytest.raises(InvalidArgument, match="leads 'sub' out of it"):
        await creating(cri, handler, *mounts, image=image)


@pytest.mark.parametrize("path", ["/dev", "/link"])
async def test_only_the_nodes_own_dev_may_take_the_place_of_dev(
    cri: Cri, handler: str, volume: Path, path: str
) -> None:
    """runc mounts the current /dev/null over masked paths."""
    (volume / "null").symlink_to("/proc/self/attr/current")
    image = await load(cri, Image([busybox_layer(), Tar().symlink("link", "dev")]))
    with pytest.raises(InvalidArgument, match=f"the mount at {path}: .* is not the node's /dev"):
        await creating(
            cri, handler, api.Mount(container_path=path, host_path=str(volume)), image=image
        )
    nodes = api.Mount(container_path="/dev", host_path="/dev")
    await cri.start(await creating(cri, handler, nodes))


async def test_a_privileged_container_may_have_any_directory_as_dev(cri: Cri, volume: Path) -> None:
    os.mknod(volume / "null", 0o20666, os.makedev(1, 3))
    config = pod_config(cri.daemon)
    config.linux.security_context.privileged = True
    pod = await cri.run_pod(config)
    asked = container_config(
        ["sleep", "60"], mounts=[api.Mount(container_path="/dev", host_path=str(volume))]
    )
    asked.linux.security_context.privileged = True
    await cri.create(pod, asked)


@pytest.mark.parametrize(
    "cwd", ["/proc/self/fd/7", "/proc/1/root", "/link", "/link/../self", "/../proc/x"]
)
@pytest.mark.parametrize("of_image", [False, True])
async def test_a_working_directory_in_proc_is_refused(cri: Cri, cwd: str, of_image: bool) -> None:
    """The OCI runtime's own open files are there, and have been directories of the node."""
    layers = [busybox_layer(), Tar().symlink("link", "proc/self/fd/7")]
    config = {"WorkingDir": cwd} if of_image else {}
    image = await load(cri, Image(layers, config))
    with pytest.raises(InvalidArgument, match=r"config\.working_dir: .* is in /proc"):
        await creating(cri, "", image=image, working_dir="" if of_image else cwd)
    assert await cri.containers() == []


async def test_a_working_directory_may_be_a_link(cri: Cri, handler: str) -> None:
    layers = [busybox_layer(), Tar().symlink("link", "/tmp"), Tar().directory("proc2")]
    image = await load(cri, Image(layers))
    for cwd in ("/link/new", "/proc2"):
        container = await creating(cri, handler, image=image, working_dir=cwd)
        await cri.start(container)
        await cri.remove(container)
