"""Image volumes, and the VOLUMEs that images declare: real images of several layers."""

from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.host import until
from tests.fixtures.images import Image, Tar, busybox_layer

DATA, SECRET = "localhost/data:1", "not for containers"
LAYERS = [
    Tar()
    .directory("etc")
    .file("etc/old", b"old")
    .file("etc/motd", b"first")
    .directory("deep/er")
    .file("deep/er/file", b"deep"),
    Tar()
    .whiteout("etc/old")
    .file("etc/motd", b"second")
    .file("tool", b"#!/bin/sh\necho works\n", mode=0o755)
    .symlink("out", "/etc/secret")
    .symlink("up", "../../../../../../etc/secret")
    .symlink("inside", "/deep/er"),
]


async def load(cri: Cri, image: Image, name: str) -> str:
    """Load an image from an archive; its id."""
    path = image.write_docker_archive(cri.daemon.directory / "image.tar", [name])
    source = control.LoadImageRequest(source=f"docker-archive:{path}")
    answer = await cri.control.LoadImage(source)
    path.unlink()
    return str(answer.images[0].id)


def volume(sub_path: str = "", image: str = DATA, path: str = "/vol") -> api.Mount:
    return api.Mount(
        container_path=path,
        readonly=True,
        image=api.ImageSpec(image=image),
        image_sub_path=sub_path,
    )


async def collected(cri: Cri, layers: int) -> None:
    """Wait until just so many layers are here."""
    directory = cri.daemon.root / "layers"
    await until(lambda: len([d for d in directory.iterdir() if d.name[0] != "."]) == layers)


async def test_an_image_volume_is_the_whole_image_read_only_and_can_be_executed(
    cri: Cri, handler: str
) -> None:
    id = await load(cri, Image(LAYERS), DATA)
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[volume()])
    assert await cri.sh(container, "cat /vol/etc/motd; ls /vol/etc; /vol/tool") == (
        "secondmotd\nworks\n"
    )
    failed = await cri.exec(container, "touch", "/vol/new")
    assert b"Read-only file system" in failed.stderr
    (told,) = (await cri.status(container)).mounts
    assert (told.image.image, told.image.image_ref, told.host_path) == (DATA, id, "")


async def test_not_even_a_privileged_container_can_write_to_a_volumes_image(
    cri: Cri, handler: str
) -> None:
    await load(cri, Image(LAYERS[:1]), "localhost/one:1")
    config = pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig())
    config.linux.security_context.privileged = True
    pod = await cri.run_pod(config, handler=handler)
    asked = container_config(["sleep", "60"], mounts=[volume(image="localhost/one:1")])
    asked.linux.security_context.privileged = True
    container = await cri.create(pod, asked)
    await cri.start(container)
    await cri.exec(container, "mount", "-o", "remount,rw,bind", "/vol")
    failed = await cri.exec(container, "touch", "/vol/new")
    assert b"Read-only file system" in failed.stderr


@pytest.mark.parametrize(
    ("sub_path", "script", "expected"),
    [
        ("etc", "ls /vol", "motd\n"),
        ("deep/er", "cat /vol/file", "deep"),
        ("inside", "cat /vol/file", "deep"),
        ("etc/motd", "cat /vol", "second"),
    ],
)
async def test_a_sub_path_is_the_only_visible_part_of_the_image(
    cri: Cri, handler: str, sub_path: str, script: str, expected: str
) -> None:
    await load(cri, Image(LAYERS), DATA)
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[volume(sub_path)])
    assert await cri.sh(container, script) == expected


@pytest.mark.parametrize("sub_path", ["out", "up", "missing", "etc/motd/x", "etc/old"])
async def test_a_missing_or_outside_sub_path_is_refused_and_leaves_nothing(
    cri: Cri, sub_path: str
) -> None:
    await load(cri, Image(LAYERS), DATA)
    Path("/etc/secret").write_text(SECRET)
    pod = await cri.run_pod()
    try:
        with pytest.raises(InvalidArgument) as refused:
            await cri.create(pod, container_config(["true"], mounts=[volume(sub_path)]))
    finally:
        Path("/etc/secret").unlink()
    start = "ImageVolumeMountFailed: config.mounts[0].image_sub_path: the image has no "
    assert str(refused.value).startswith(start + repr(sub_path))
    assert await cri.containers() == []
    assert mounts.mounts_below(cri.daemon.run_root / "containers") == []


async def test_a_missing_image_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument) as refused:
        await cri.create(pod, container_config(["true"], mounts=[volume(image="none/such:1")]))
    start = "ImageVolumeMountFailed: config.mounts[0].image: image none/such:1 is not on this node"
    assert str(refused.value).startswith(start)


async def test_a_volumes_image_can_be_removed_and_stays_as_long_as_the_container(
    cri: Cri, handler: str
) -> None:
    before = len(list((cri.daemon.root / "layers").iterdir()))
    layers = [Tar().file("one", b"1"), Tar().file("two", handler.encode())]
    await load(cri, Image(layers), "localhost/held:1")
    pod = await cri.run_pod(handler=handler)
    mounted = [volume(image="localhost/held:1")]
    container = await cri.create(pod, container_config(["sleep", "60"], mounts=mounted))
    request = api.RemoveImageRequest(image=api.ImageSpec(image="localhost/held:1"))
    await cri.image.RemoveImage(request)
    await cri.start(container)
    assert await cri.sh(container, "cat /vol/one /vol/two") == "1" + handler
    await cri.remove(container)
    await collected(cri, before)


async def test_volumes_without_a_layer_and_two_of_one_image_work(cri: Cri) -> None:
    await load(cri, Image(LAYERS), DATA)
    await load(cri, Image([Tar()]), "localhost/empty:1")
    pod = await cri.run_pod()
    asked = [
        volume(image="localhost/empty:1", path="/empty"),
        volume("etc", path="/a"),
        volume("deep", path="/b"),
    ]
    container = await cri.run(pod, ["sleep", "60"], mounts=asked)
    assert await cri.sh(container, "ls -A /empty; ls /a /b") == "/a:\nmotd\n\n/b:\ner\n"


DECLARES = Image(
    [
        busybox_layer(),
        Tar()
        .directory("data")
        .file("data/seed", b"seed")
        .symlink("var", "else/where")
        .symlink("run", "/run2"),
    ],
    {"Cmd": ["sleep", "60"], "Volumes": {"/data": {}, "/var/lib/x": {}, "/run/y": {}, "/m/n": {}}},
)
WRITES = "for d in /data /var/lib/x /run/y /m/n; do echo 1 > $d/f && cat $d/f; done; cat /data/seed"


async def declaring(cri: Cri, handler: str, readonly: bool, *asked: api.Mount) -> str:
    """A running container of an image with VOLUMEs."""
    await load(cri, DECLARES, "localhost/declares:1")
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "60"], image="localhost/declares:1", mounts=asked)
    config.linux.security_context.readonly_rootfs = readonly
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


@pytest.mark.parametrize("readonly", [False, True])
async def test_a_volume_of_the_image_is_a_writable_directory_with_what_the_image_has_there(
    cri: Cri, handler: str, readonly: bool
) -> None:
    container = await declaring(cri, handler, readonly)
    assert await cri.sh(container, WRITES) == "1\n1\n1\n1\nseed"
    assert (await cri.exec(container, "touch", "/file")).exit_code == int(readonly)
    assert not (await cri.status(container)).mounts


async def test_a_requested_mount_replaces_a_volume_of_the_image(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    (tmp_path / "n").mkdir()
    asked = [
        api.Mount(container_path="/data", host_path=str(tmp_path)),
        api.Mount(container_path="/m", host_path=str(tmp_path)),
    ]
    container = await declaring(cri, handler, True, *asked)
    assert await cri.sh(container, "ls /data; echo mine > /m/n/file") == "n\n"
    assert (tmp_path / "n" / "file").read_text() == "mine\n"


async def test_a_volume_of_the_image_cannot_be_made_outside_the_root_file_system(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    layer = Tar().symlink("evil", f"../../../../../../../..{tmp_path}").symlink("loop", "loop")
    image = Image([busybox_layer(), layer], {"Volumes": {"/evil/made": {}}})
    await load(cri, image, "localhost/evil:1")
    pod = await cri.run_pod(handler=handler)
    await cri.create(pod, container_config(["true"], image="localhost/evil:1"))
    assert list(tmp_path.iterdir()) == []
    looping = Image([busybox_layer(), layer], {"Volumes": {"/loop/made": {}}})
    await load(cri, looping, "localhost/loop:1")
    with pytest.raises(InvalidArgument, match=r"its VOLUME '/loop/made' cannot be a directory"):
        await cri.create(pod, container_config(["true"], "two", image="localhost/loop:1"))


async def test_a_mount_over_a_symlink_of_the_image_stays_inside(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    host, inside = tmp_path / "host", tmp_path / "source"
    host.mkdir()
    inside.mkdir()
    (inside / "file").touch()
    layer = Tar().symlink("link", f"../../../../../../../..{host}").directory(str(host)[1:])
    await load(cri, Image([busybox_layer(), layer]), "localhost/link:1")
    pod = await cri.run_pod(handler=handler)
    mount = api.Mount(container_path="/link/deep", host_path=str(inside))
    config = container_config(["sleep", "60"], image="localhost/link:1", mounts=[mount])
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, f"ls {host}/deep") == "file\n"
    assert list(host.iterdir()) == []
