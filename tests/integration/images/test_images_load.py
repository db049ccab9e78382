"""Loading from files, without a registry."""

import gzip
from pathlib import Path

import pytest

from cri_shim.aio.child import run
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.images import load, query
from tests.fixtures.host import until
from tests.fixtures.images import Image, Tar, write_layout_of

IMAGE = Image([Tar().file("loaded", b"1"), Tar().file("too", b"2")])


async def test_a_docker_archive_brings_its_names(engine: Engine, tmp_path: Path) -> None:
    file = IMAGE.write_docker_archive(tmp_path / "a.tar", ["team/app:1", "other:2"])

    (loaded,) = await load.load(engine, f"docker-archive:{file}")

    names = ["docker.io/team/app:1", "docker.io/library/other:2"]
    assert loaded.image_id == IMAGE.id
    assert loaded.names == names
    status, _ = query.status(engine, "other:2")
    assert status is not None
    assert list(status.repo_tags) == names
    assert list(status.repo_digests) == []
    assert status.size > 0


async def test_an_oci_layout_brings_its_name(engine: Engine, tmp_path: Path) -> None:
    layout = IMAGE.write_layout(tmp_path / "layout", "example.org/team/app:3")

    (loaded,) = await load.load(engine, f"oci:{layout}")

    assert loaded.names == ["example.org/team/app:3"]
    assert query.resolve(engine, "example.org/team/app:3") is not None


_REF, _FULL = "org.opencontainers.image.ref.name", "io.containerd.image.name"


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param(
            [{_FULL: "x.org/one:1", _REF: "1"}, {_FULL: "x.org/two:1", _REF: "1"}],
            id="one ref.name",
        ),
        pytest.param(
            [{_FULL: "x.org/one:1", _REF: "1"}, {_FULL: "x.org/two:1", _REF: "latest"}],
            id="two ref.names",
        ),
        pytest.param([{_FULL: "x.org/one:1"}, {_FULL: "x.org/two:1"}], id="no ref.name"),
        pytest.param([{_REF: "x.org/one:1"}, {_REF: "x.org/two:1"}], id="full ref.names"),
    ],
)
async def test_each_image_of_a_layout_gets_its_own_name(
    engine: Engine, tmp_path: Path, transport: str, annotations: list[dict[str, str]]
) -> None:
    both = [IMAGE, Image([Tar().file("another", b"3")])]
    source = write_layout_of(tmp_path / "layout", both, annotations)
    if transport == "oci-archive":
        packed = tmp_path / "a.tar"
        assert (await run(["tar", "-C", str(source), "-cf", str(packed), "."])).returncode == 0
        source = packed

    loaded = await load.load(engine, f"{transport}:{source}")

    assert [(one.image_id, list(one.names)) for one in loaded] == [
        (both[0].id, ["x.org/one:1"]),
        (both[1].id, ["x.org/two:1"]),
    ]
    await until(lambda: not list(engine.images.layouts.iterdir()))


async def test_an_archive_of_a_layout_cannot_write_elsewhere(
    engine: Engine, tmp_path: Path
) -> None:
    both = [IMAGE, Image([Tar().file("another", b"3")])]
    names = [{"org.opencontainers.image.ref.name": f"x.org/{name}:1"} for name in ("one", "two")]
    layout = write_layout_of(tmp_path / "layout", both, names)
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = Tar().symlink("blobs/sha256", str(outside)).symlink("index.json", str(outside / "i"))
    archive.file("../escaped", b"").file("/escaped", b"").file("blobs/sha256/../../escaped", b"")
    for file in sorted(path for path in layout.rglob("*") if path.is_file()):
        archive.file(file.relative_to(layout).as_posix(), file.read_bytes())
    packed = tmp_path / "a.tar"
    packed.write_bytes(archive.bytes())

    loaded = await load.load(engine, f"oci-archive:{packed}")

    assert [one.image_id for one in loaded] == [image.id for image in both]
    assert list(outside.iterdir()) == []
    assert not list(engine.images.layouts.rglob("escaped"))


async def test_a_name_that_is_given_wins(engine: Engine, tmp_path: Path) -> None:
    layout = IMAGE.write_layout(tmp_path / "layout", "example.org/team/app:3")

    await load.load(engine, f"oci:{layout}", "mine:4")

    assert query.resolve(engine, "example.org/team/app:3") is None
    assert query.resolve(engine, "docker.io/library/mine:4") is not None


async def test_oci_archives_and_directories_are_read(engine: Engine, tmp_path: Path) -> None:
    layout = IMAGE.write_layout(tmp_path / "layout", "x.org/y:1")
    archive, directory = tmp_path / "a.tar", tmp_path / "dir"
    tar = await run(["tar", "-C", str(layout), "-cf", str(archive), "."])
    copy = await run(["skopeo", "copy", "-q", f"oci:{layout}", f"dir:{directory}"])

    (first,) = await load.load(engine, f"oci-archive:{archive}")
    (second,) = await load.load(engine, f"dir:{directory}", "from-dir:1")

    assert tar.returncode == copy.returncode == 0
    assert first.names == ["x.org/y:1"]
    assert first.image_id == second.image_id == IMAGE.id


async def test_a_compressed_docker_archive_is_read(engine: Engine, tmp_path: Path) -> None:
    plain = IMAGE.write_docker_archive(tmp_path / "a.tar", ["packed:1"])
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    (loaded,) = await load.load(engine, f"docker-archive:{packed}")

    assert loaded.names == ["docker.io/library/packed:1"]
    assert list(engine.images.layouts.iterdir()) == []


async def test_what_has_no_name_wants_one(engine: Engine, tmp_path: Path) -> None:
    layout = IMAGE.write_layout(tmp_path / "layout")

    with pytest.raises(InvalidArgument, match="carries no image name"):
        await load.load(engine, f"oci:{layout}")


@pytest.mark.parametrize("source", ["docker://busybox", "oci:relative", "path", ""])
async def test_what_is_no_local_source_is_refused(engine: Engine, source: str) -> None:
    with pytest.raises(InvalidArgument, match="source"):
        await load.load(engine, source)


async def test_a_missing_file_is_not_found(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await load.load(engine, f"docker-archive:{tmp_path}/none.tar")


async def test_a_file_that_is_no_archive_is_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"not a tar")

    with pytest.raises(InvalidArgument, match=r"manifest\.json"):
        await load.load(engine, f"docker-archive:{tmp_path}/f")
