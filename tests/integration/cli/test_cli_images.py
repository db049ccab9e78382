"""image save, load and prune, and the images that are pinned by name."""

import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.cli.pulls import size
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.commands import CRICTL, cri_shim, crictl, needs_crictl, shown
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, Setting, private_daemon
from tests.fixtures.images import Image, Tar

DATA = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    pins: Setting = ["localhost/busybox:test", "r.example/pinned/*"]
    with private_daemon(0, **{"image.pinned_images": pins}) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    """CRI calls; afterwards only the test image is here."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        for image in (await calls.image.ListImages(api.ListImagesRequest())).images:
            if busybox.NAME not in image.repo_tags:
                await calls.image.RemoveImage(api.RemoveImageRequest(image=image.spec))


async def have(cri: Cri, directory: Path, name: str, *layers: Tar) -> str:
    """Load an image, and return its id."""
    image = Image(layers or [Tar().file(name.replace("/", "-"), DATA)])
    file = image.write_docker_archive(directory / "image.tar", [name])
    await shown(cri, "image", "load", str(file))
    return image.id


async def used(cri: Cri) -> int:
    answer = await cri.image.ImageFsInfo(api.ImageFsInfoRequest())
    return int(answer.image_filesystems[0].used_bytes.value)


async def test_what_is_saved_is_loaded_as_the_same_image(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/a:1")
    for target in (f"{tmp_path}/a.tar", f"oci-archive:{tmp_path}/b.tar", f"oci:{tmp_path}/c"):
        assert (
            await shown(cri, "image", "save", "r.example/a:1", target, "r.example/b:2") == f"{id}\n"
        )
        await shown(cri, "image", "rm", id)

        loaded = await shown(cri, "image", "load", target.partition(":")[2] or target)

        assert loaded == f"{id} r.example/b:2\n"
        await shown(cri, "image", "tag", id, "r.example/a:1")
    with tarfile.open(tmp_path / "a.tar") as archive:
        listing = archive.extractfile("manifest.json")
        assert listing is not None
        assert json.load(listing)[0]["RepoTags"] == ["r.example/b:2"]


async def test_a_target_that_is_there_is_refused(cri: Cri, tmp_path: Path) -> None:
    (tmp_path / "a.tar").touch()
    done = await cri_shim(cri, "image", "save", busybox.NAME, f"{tmp_path}/a.tar")
    assert done.returncode == 1
    assert b"exists already; remove it first" in done.stderr


async def test_prune_frees_the_bytes_of_a_dry_run(cri: Cri, tmp_path: Path) -> None:
    shared = Tar().file("shared", DATA * 2)
    kept = await have(cri, tmp_path, "r.example/pinned/app:1", shared)
    await have(cri, tmp_path, "r.example/new:1", Tar().file("old", DATA))
    newer = await have(cri, tmp_path, "r.example/new:1", shared, Tar().file("new", DATA))
    before = await used(cri)

    told = await shown(cri, "image", "prune", "--dry-run")
    assert (await used(cri), told.count("\n")) == (before, 2)
    done = await shown(cri, "image", "prune")
    first = before - await used(cri)
    everything = await shown(cri, "image", "prune", "--all")
    second = before - first - await used(cri)

    assert done == told.replace("would be", "were")
    assert 2 * len(DATA) <= first < 2.1 * len(DATA)  # the layer and its blob
    assert done.splitlines()[-1] == f"{size(first)} were freed"
    assert everything.splitlines()[0] == f"{newer} r.example/new:1"
    assert 2 * len(DATA) <= second < 2.1 * len(DATA)  # the pinned image needs the other layer
    assert everything.splitlines()[-1] == f"{size(second)} were freed"
    listed = (await cri.image.ListImages(api.ListImagesRequest())).images
    assert {image.id: image.pinned for image in listed if image.id == kept} == {kept: True}
    assert await shown(cri, "image", "prune", "-a") == "0B were freed\n"


async def test_pinned_is_shown_by_status_and_ends_with_the_name(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/other:1")
    spec = api.ImageStatusRequest(image=api.ImageSpec(image=id))
    assert not (await cri.image.ImageStatus(spec)).image.pinned

    await shown(cri, "image", "tag", id, "r.example/pinned/other:1")
    assert (await cri.image.ImageStatus(spec)).image.pinned
    await have(cri, tmp_path, "r.example/pinned/other:1", Tar().file("takes the name"))

    assert not (await cri.image.ImageStatus(spec)).image.pinned


@needs_crictl
async def test_crictl_prune_leaves_pinned_images(cri: Cri, tmp_path: Path) -> None:
    kept = await have(cri, tmp_path, "r.example/pinned/app:1")
    gone = await have(cri, tmp_path, "r.example/gone:1")

    done = await crictl(cri, "rmi", "--prune")

    assert done.returncode == 0, (CRICTL, done)
    left = {image.id for image in (await cri.image.ListImages(api.ListImagesRequest())).images}
    assert kept in left
    assert gone not in left
