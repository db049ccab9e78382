"""Images saved to archives and directories, and what others and we make of those."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from cri_shim.aio.child import run
from cri_shim.engine import Engine
from cri_shim.errors import AlreadyExists, InvalidArgument, NotFound, Unavailable
from cri_shim.images import inspect, load, mount, pull, query, remove, save, tag
from cri_shim.images.load import TRANSPORTS
from cri_shim.linux import mounts
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar, tree
from tests.integration.images.conftest import Open
from tests.integration.images.test_images_recover import background_done
from tests.integration.images.test_images_unpack import everything

IMAGES = {
    "gzip": Image([everything(), Tar().file("second", b"2").whiteout("link")], {"User": "5"}),
    "zstd": Image([Tar().file("zstd"), Tar().file("plain")], compression=("zstd", "none")),
    "docker": Image([Tar().file("docker", b"1"), Tar().file("too")], docker=True),
    "the same layer twice": Image([Tar().file("a"), Tar().file("b"), Tar().file("a")]),
}


@pytest.fixture(params=IMAGES)
async def pulled(request: pytest.FixtureRequest, engine: Engine, registry: Registry) -> Image:
    """An image that is here, whose blobs are not."""
    image = IMAGES[request.param]
    await pull.pull(engine, registry.push(image, f"save/{request.param.replace(' ', '-')}:1"))
    return image


async def empty(engine: Engine) -> None:
    """Have nothing in the store any more."""
    for image in query.listed(engine):
        await remove.remove(engine, image.id)
    await background_done(engine)
    assert engine.images.layers.present() == set()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_saved_is_loaded_as_the_same_image(
    engine: Engine, pulled: Image, tmp_path: Path, transport: str
) -> None:
    before = tree(await mount.mount(engine, pulled.id))
    await mount.unmount(engine, pulled.id)

    saved = await save.save(
        engine, pulled.id, f"{transport}:{tmp_path}/saved", ["r.example/saved:1"]
    )

    assert saved == pulled.id
    assert [p.name for p in tmp_path.iterdir() if p.name[0] == "."] == []
    assert list(engine.images.layouts.iterdir()) == []
    await empty(engine)
    name = "r.example/saved:1" if transport == "dir" else ""
    (loaded,) = await load.load(engine, f"{transport}:{tmp_path}/saved", name)
    assert loaded.image_id == pulled.id
    assert loaded.names == ["r.example/saved:1"]
    assert tree(await mount.mount(engine, pulled.id)) == before
    await mount.unmount(engine, pulled.id)


@pytest.mark.parametrize("kind", IMAGES)
async def test_blobs_that_were_kept_are_saved_as_they_were_pulled(
    open_images: Open, registry: Registry, tmp_path: Path, kind: str
) -> None:
    image = IMAGES[kind]
    keeping = await open_images(keep_blobs=True)
    await pull.pull(keeping, registry.push(image, "save/kept:1"))

    saved = await save.save(keeping, image.id, f"oci:{tmp_path}/saved")

    assert saved == image.id
    index = json.loads((tmp_path / "saved/index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [image.digest]
    blobs = tmp_path / "saved/blobs/sha256"
    for blob in image.blobs:
        assert (blobs / hashlib.sha256(blob).hexdigest()).read_bytes() == blob


async def test_a_layer_that_was_here_before_blobs_were_kept_is_made_again(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    base = Tar().file("base", b"1")
    old, new = Image([base]), Image([base, Tar().file("new")])
    dropping = await open_images()
    await pull.pull(dropping, registry.push(old, "save/old:1"))
    await close(dropping)
    keeping = await open_images(keep_blobs=True)
    await pull.pull(keeping, registry.push(new, "save/new:1"))

    assert await save.save(keeping, new.id, f"docker-archive:{tmp_path}/saved") == new.id

    with tarfile.open(tmp_path / "saved") as archive:
        sizes = [entry.size for entry in archive if entry.name.endswith(".tar") and entry.isfile()]
    assert len(sizes) == 2
    assert 0 not in sizes


async def test_a_docker_archive_has_every_name_and_oci_the_first(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    image = IMAGES["gzip"]
    name = registry.push(image, "save/names:1")
    await pull.pull(engine, name)
    await tag.tag(engine, name, "r.example/more:2")

    await save.save(engine, name, f"docker-archive:{tmp_path}/docker")
    await save.save(engine, name, f"oci-archive:{tmp_path}/oci")
    await tag.untag(engine, name)
    await save.save(engine, image.id, f"docker-archive:{tmp_path}/nameless")

    with tarfile.open(tmp_path / "docker") as archive:
        (listed,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    with tarfile.open(tmp_path / "oci") as archive:
        (entry,) = json.load(archive.extractfile("index.json"))["manifests"]  # type: ignore[arg-type]
    with tarfile.open(tmp_path / "nameless") as archive:
        (nameless,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert listed["RepoTags"] == [name, "r.example/more:2"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == name
    assert not nameless["RepoTags"]
    with pytest.raises(InvalidArgument, match="carries no image name"):
        await load.load(engine, f"docker-archive:{tmp_path}/nameless")
    assert (await load.load(engine, f"docker-archive:{tmp_path}/nameless", "x"))[
        0
    ].image_id == image.id


@pytest.mark.parametrize("lost", ["recipe", "file twice"])
async def test_a_layer_that_cannot_be_made_again_changes_the_id_and_nothing_else(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    twice = Tar().file("a", b"1").file("a", b"2").directory("d").file("d/x", b"3")
    image = Image([Tar().file("below"), twice], config={"Cmd": ["/bin/sh"]})
    file = image.write_docker_archive(tmp_path / "a.tar", ["r.example/a:1"])
    await load.load(engine, f"docker-archive:{file}")
    before = tree(await mount.mount(engine, image.id))
    await mount.unmount(engine, image.id)
    if lost == "recipe":
        for recipe in engine.images.layers.recipes.iterdir():
            recipe.unlink()

    saved = await save.save(engine, image.id, f"docker-archive:{tmp_path}/saved")

    assert saved != image.id
    assert "the id of the saved image is another one" in caplog.text
    await empty(engine)
    (loaded,) = await load.load(engine, f"docker-archive:{tmp_path}/saved")
    assert loaded.image_id == saved
    assert inspect.inspect(engine, saved)["Config"] == {"Cmd": ["/bin/sh"]}
    assert tree(await mount.mount(engine, saved)) == before
    await mount.unmount(engine, saved)
    assert await save.save(engine, saved, f"dir:{tmp_path}/again") == saved  # from now on it stays


async def test_others_read_what_was_saved(engine: Engine, pulled: Image, tmp_path: Path) -> None:
    for transport in TRANSPORTS:
        target = f"{transport}:{tmp_path}/{transport}"
        await save.save(engine, pulled.id, target)

        told = await run(["skopeo", "inspect", "--config", "--raw", target])

        assert told.returncode == 0, told.complaint()
        assert hashlib.sha256(told.stdout).hexdigest() == pulled.id


async def test_a_target_that_is_none_is_refused_and_nothing_is_made(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    image = IMAGES["gzip"]
    await pull.pull(engine, registry.push(image, "save/refused:1"))
    (tmp_path / "there").write_text("precious")
    before = sorted(tmp_path.iterdir())

    for target in ("docker://x/y", "oci:relative", f"oci:{tmp_path}/a:b", str(tmp_path / "x")):
        with pytest.raises(InvalidArgument, match="is not one of docker-archive:/PATH"):
            await save.save(engine, image.id, target)
    with pytest.raises(AlreadyExists, match="exists already; remove it first"):
        await save.save(engine, image.id, f"docker-archive:{tmp_path}/there")
    with pytest.raises(NotFound, match="there is no directory"):
        await save.save(engine, image.id, f"docker-archive:{tmp_path}/no/where")
    with pytest.raises(NotFound, match="is not on this node"):
        await save.save(engine, "nobody", f"docker-archive:{tmp_path}/x")
    with pytest.raises(InvalidArgument):
        await save.save(engine, image.id, f"docker-archive:{tmp_path}/x", ["Bad Name"])

    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there").read_text() == "precious"


async def test_what_could_not_be_written_whole_is_not_there(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    image = Image([Tar().file("large", bytes(range(256)) * 12_000)])
    await pull.pull(engine, registry.push(image, "save/large:1"))
    small = tmp_path / "small"
    small.mkdir()
    mounts.tmpfs(small, 1 << 20, 0o700)
    try:
        with pytest.raises(Unavailable, match=r"cannot write docker-archive:.*no space"):
            await save.save(engine, image.id, f"docker-archive:{small}/saved")
        left = list(small.iterdir())
    finally:
        mounts.unmount(small)

    assert left == []
    assert list(engine.images.layouts.iterdir()) == []
