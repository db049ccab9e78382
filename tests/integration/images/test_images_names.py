"""Names that are given and taken, as lists show them and as they outlive the daemon."""

from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.images import load, pull, query, tag
from cri_shim.pb import api_pb2 as api
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar
from tests.integration.images.conftest import Open


async def stored(engine: Engine, directory: Path, name: str) -> str:
    """An image that has one layer and one name; its id."""
    image = Image([Tar().file("names", name.encode())])
    file = image.write_docker_archive(directory / f"{image.id}.tar", [name])
    (loaded,) = await load.load(engine, f"docker-archive:{file}")
    return loaded.image_id


def tags(engine: Engine) -> dict[str, list[str]]:
    return {image.id: list(image.repo_tags) for image in query.listed(engine)}


async def test_a_name_that_is_given_is_listed_and_found_at_once(
    engine: Engine, tmp_path: Path
) -> None:
    id = await stored(engine, tmp_path, "r.example/a:1")

    full = await tag.tag(engine, "r.example/a:1", "short")

    assert full == "docker.io/library/short:latest"
    assert tags(engine) == {id: ["r.example/a:1", full]}
    (listed,) = query.listed(engine, api.ImageFilter(image=api.ImageSpec(image="short")))
    assert listed.id == id


async def test_a_name_moves_from_the_image_that_had_it(engine: Engine, tmp_path: Path) -> None:
    old = await stored(engine, tmp_path, "r.example/app:1")
    new = await stored(engine, tmp_path, "r.example/app:2")

    await tag.tag(engine, new[:12], "r.example/app:1")

    assert tags(engine) == {old: [], new: ["r.example/app:2", "r.example/app:1"]}
    assert query.find(engine, "r.example/app:1").id == new


async def test_the_last_name_that_is_taken_leaves_the_image(engine: Engine, tmp_path: Path) -> None:
    id = await stored(engine, tmp_path, "r.example/a:1")
    await tag.tag(engine, id, "r.example/a:2")

    await tag.untag(engine, id, ["r.example/a:1"])
    assert tags(engine) == {id: ["r.example/a:2"]}
    await tag.untag(engine, id)

    assert tags(engine) == {id: []}
    assert query.resolve(engine, "r.example/a:2") is None
    assert query.find(engine, id).id == id


async def test_a_name_by_digest_is_taken_too(engine: Engine, registry: Registry) -> None:
    image = Image([Tar().file("names-digest")])
    name = registry.push(image, "names/digest:1")
    id = await pull.pull(engine, name)

    await tag.untag(engine, id, [f"{registry.name('names/digest')}@{image.digest}"])

    status, _ = query.status(engine, id)
    assert status is not None
    assert (list(status.repo_tags), list(status.repo_digests)) == ([name], [])


async def test_what_cannot_be_a_name_and_what_is_none_is_refused(
    engine: Engine, tmp_path: Path
) -> None:
    id = await stored(engine, tmp_path, "r.example/a:1")

    for bad in ("Upper", "a b", f"r.example/a@sha256:{'0' * 64}"):
        with pytest.raises(InvalidArgument):
            await tag.tag(engine, id, bad)
    with pytest.raises(NotFound, match=r"has no name docker\.io/library/other:latest"):
        await tag.untag(engine, id, ["r.example/a:1", "other"])
    for call in (tag.tag(engine, "nobody", "x"), tag.untag(engine, "nobody")):
        with pytest.raises(NotFound, match="nobody is not on this node"):
            await call

    assert tags(engine) == {id: ["r.example/a:1"]}


async def test_names_are_there_again_after_a_restart(open_images: Open, tmp_path: Path) -> None:
    before = await open_images()
    id = await stored(before, tmp_path, "r.example/a:1")
    await tag.tag(before, id, "r.example/b:1")
    await tag.untag(before, id, ["r.example/a:1"])
    await close(before)

    assert tags(await open_images()) == {id: ["r.example/b:1"]}
