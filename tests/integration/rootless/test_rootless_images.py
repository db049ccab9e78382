"""Images of an unprivileged user: the content of their layers, and how they are mounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.linux.mounts import parse_mountinfo
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri
from tests.fixtures.images import Image, Tar, busybox_layer
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine
from tests.fixtures.user_pods import on_the_node

NAME = "localhost/layers:1"


@pytest.fixture(scope="module", params=["", "/usr/bin/fuse-overlayfs"], ids=["kernel", "fuse"])
def daemon(node: Machine, request: pytest.FixtureRequest) -> Iterator[UserDaemon]:
    with user_daemon(node, **{"image.mount_program": str(request.param)}) as started:
        yield started


async def load(cri: Cri, *layers: Tar, name: str = NAME) -> None:
    """Bring an image of busybox and these layers to the user's daemon."""
    directory = cri.daemon.directory
    file = directory / "image.tar"
    file.unlink(missing_ok=True)
    Image([busybox_layer(), *layers]).write_docker_archive(file, [name])
    request = control.LoadImageRequest(source=f"docker-archive:{file}")
    await cri.control.LoadImage(request)


async def started(cri: Cri, daemon: UserDaemon) -> str:
    pod = await cri.run_pod(on_the_node(daemon))
    return await cri.run(pod, ["sleep", "1000"], image=NAME)


async def test_hidden_files_of_lower_layers_are_invisible(cri: Cri, daemon: UserDaemon) -> None:
    below = Tar().directory("d").file("d/old").directory("o").file("o/old").file("gone")
    above = Tar().whiteout("gone").directory("o").opaque("o").file("o/new").whiteout("d/old")
    await load(cri, below, above)
    container = await started(cri, daemon)
    assert (await cri.sh(container, "ls d o; ls gone || echo none")).split() == [
        *("d:", "o:", "new", "none")
    ]


async def test_a_container_removes_and_replaces_what_its_image_has(
    cri: Cri, daemon: UserDaemon
) -> None:
    await load(cri, Tar().directory("d").file("d/old").file("file"))
    container = await started(cri, daemon)
    script = (
        "rm file; rm -r d; mkdir d; touch d/new; chown 1000:50 d/new; stat -c %u:%g d/new; ls d"
    )
    assert (await cri.sh(container, script)).split() == ["1000:50", "new"]


async def test_files_belong_to_the_images_users(cri: Cri, daemon: UserDaemon) -> None:
    await load(cri, Tar().file("mine", uid=1000, gid=50, mode=0o640).file("last", uid=65535))
    container = await started(cri, daemon)
    assert (await cri.sh(container, "stat -c %u:%g:%a mine last")).split() == [
        *("1000:50:640", "65535:0:644")
    ]


async def test_device_nodes_of_a_layer_are_left_out(cri: Cri, daemon: UserDaemon) -> None:
    layer = Tar().device("node", 1, 3).hard_link("other", "node").file("file", b"here")
    await load(cri, layer)
    container = await started(cri, daemon)
    script = "cat file; ls node other 2>/dev/null; test -c /dev/null && echo null"
    assert (await cri.sh(container, script)) == "herenull\n"


async def test_attributes_that_only_the_real_root_may_set_are_left_out(
    cri: Cri, daemon: UserDaemon
) -> None:
    layer = Tar().xattr_file("file", b"here", {"trusted.x": b"1", "user.x": b"2"})
    await load(cri, layer)
    container = await started(cri, daemon)
    assert (await cri.sh(container, "cat file")) == "here"


async def test_the_error_of_an_image_with_too_many_ids_has_their_number(cri: Cri) -> None:
    said = "'far' belongs to 100000:0: the image needs 100001 ids or more, this user has 65537"
    with pytest.raises(ToolFailed, match=said):
        await load(cri, Tar().file("far", uid=100000), name="localhost/far:1")


async def test_an_image_is_a_volume_of_a_container(cri: Cri, daemon: UserDaemon) -> None:
    await load(cri, Tar().directory("data").file("data/file", b"in the image"))
    pod = await cri.run_pod(on_the_node(daemon))
    mount = api.Mount(container_path="/vol", readonly=True, image=api.ImageSpec(image=NAME))
    container = await cri.run(pod, ["sleep", "1000"], mounts=[mount])
    assert (await cri.sh(container, "cat /vol/data/file")) == "in the image"


async def test_root_file_systems_are_mounted_by_the_configured_program(
    cri: Cri, daemon: UserDaemon
) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    await cri.run(pod, ["sleep", "1000"])
    text = Path(f"/proc/{daemon.holder()}/mountinfo").read_bytes().decode(errors="surrogateescape")
    at = [m for m in parse_mountinfo(text) if m.target.is_relative_to(daemon.run_root)]
    kinds = [m.fstype for m in at if m.target.name == "rootfs"]
    fuse = bool(daemon.settings["image.mount_program"])
    assert kinds == ["fuse.fuse-overlayfs" if fuse else "overlay"]
