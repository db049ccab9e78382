"""Names that are given and taken, as lists show them and as they outlive the daemon."""

from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.images import Images
from cri_shim.pb import api_pb2 as api
from tests.fixtures.images import Image, Registry, Tar
from tests.integration.images.conftest import Open


async def stored(images: Images, directory: Path, name: str) -> str:
    """An image that has one layer and one name; its id."""
    image = Image([Tar().file("names", name.encode())])
    file = image.write_docker_archive(directory / f"{image.id}.tar", [name])
    (loaded,) = await images.load(f"docker-archive:{file}")
    return loaded.image_id


def tags(images: Images) -> dict[str, list[str]]:
    return {image.id: list(image.repo_tags) for image in images.list()}


async def test_a_name_that_is_given_is_listed_and_found_at_once(
    images: Images, tmp_path: Path
) -> None:
    id = await stored(images, tmp_path, "r.example/a:1")

    full = await images.tag("r.example/a:1", "short")

    assert full == "docker.io/library/short:latest"
    assert tags(images) == {id: ["r.example/a:1", full]}
    (listed,) = images.list(api.ImageFilter(image=api.ImageSpec(image="short")))
    assert listed.id == id


async def test_a_name_moves_from_the_image_that_had_it(images: Images, tmp_path: Path) -> None:
    old = await stored(images, tmp_path, "r.example/app:1")
    new = await stored(images, tmp_path, "r.example/app:2")

    await images.tag(new[:12], "r.example/app:1")

    assert tags(images) == {old: [], new: ["r.example/app:2", "r.example/app:1"]}
    assert images.find("r.example/app:1").id == new


async def test_the_last_name_that_is_taken_leaves_the_image(images: Images, tmp_path: Path) -> None:
    id = await stored(images, tmp_path, "r.example/a:1")
    await images.tag(id, "r.example/a:2")

    await images.untag(id, ["r.example/a:1"])
    assert tags(images) == {id: ["r.example/a:2"]}
    await images.untag(id)

    assert tags(images) == {id: []}
    assert images.resolve("r.example/a:2") is None
    assert images.find(id).id == id


async def test_a_name_by_digest_is_taken_too(images: Images, registry: Registry) -> None:
    image = Image([Tar().file("names-digest")])
    name = registry.push(image, "names/digest:1")
    id = await images.pull(name)

    await images.untag(id, [f"{registry.name('names/digest')}@{image.digest}"])

    status, _ = images.status(id)
    assert status is not None
    assert (list(status.repo_tags), list(status.repo_digests)) == ([name], [])


async def test_what_cannot_be_a_name_and_what_is_none_is_refused(
    images: Images, tmp_path: Path
) -> None:
    id = await stored(images, tmp_path, "r.example/a:1")

    for bad in ("Upper", "a b", f"r.example/a@sha256:{'0' * 64}"):
        with pytest.raises(InvalidArgument):
            await images.tag(id, bad)
    with pytest.raises(NotFound, match=r"has no name docker\.io/library/other:latest"):
        await images.untag(id, ["r.example/a:1", "other"])
    for call in (images.tag("nobody", "x"), images.untag("nobody")):
        with pytest.raises(NotFound, match="nobody is not on this node"):
            await call

    assert tags(images) == {id: ["r.example/a:1"]}


async def test_names_are_there_again_after_a_restart(open_images: Open, tmp_path: Path) -> None:
    before = await open_images()
    id = await stored(before, tmp_path, "r.example/a:1")
    await before.tag(id, "r.example/b:1")
    await before.untag(id, ["r.example/a:1"])
    await before.close()

    assert tags(await open_images()) == {id: ["r.example/b:1"]}
