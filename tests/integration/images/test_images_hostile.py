"""Layers made to reach out of their directory, or to exhaust the node: each fails, harmlessly."""

# ruff: noqa: PTH208

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cri_shim.errors import ToolFailed
from cri_shim.store.layers import Layers
from cri_shim.store.unpack.extract import Extractor
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream
from tests.fixtures.images import Image, Tar

OUTSIDE = "outside"


def bomb_of_headers() -> bytes:
    return Tar().file("f", b"", pax_headers={"comment": "x" * (2 << 20)}).bytes()


def cut(tar: Tar, at: int) -> bytes:
    return tar.bytes()[:at]


def with_bytes(tar: Tar, at: int, data: bytes) -> bytes:
    whole = bytearray(tar.bytes())
    whole[at : at + len(data)] = data
    return bytes(whole)


HOSTILE: dict[str, Tar | bytes] = {
    "dot-dot": Tar().file("../outside/f", b"x"),
    "dot-dot inside": Tar().file("a/../../outside/f", b"x"),
    "dot-dot alone": Tar().directory(".."),
    "absolute dot-dot": Tar().file("/../outside/f", b"x"),
    "through an absolute link": Tar().symlink("l", "/etc").file("l/f", b"x"),
    "through a climbing link": Tar().symlink("l", "../outside").file("l/f", b"x"),
    "through a link made later": Tar().directory("d").file("d/a").symlink("d", "../outside")
    .file("d/f", b"x"),
    "through a directory that became a link": Tar().directory("d/e", mtime=1)
    .symlink("d", "../outside").directory("d/e"),
    "through two links": Tar().symlink("a", "b").symlink("b", "../outside").file("a/f", b"x"),
    "through a deep link": Tar().directory("a/b").symlink("a/b/l", "../../../outside")
    .file("a/b/l/f", b"x"),
    "through a loop": Tar().symlink("a", "b").symlink("b", "a").file("a/f", b"x"),
    "directory through a link": Tar().symlink("l", "../outside").directory("l/d"),
    "whiteout through a link": Tar().symlink("l", "../outside").whiteout("l/victim"),
    "opaque through a link": Tar().symlink("l", "../outside").opaque("l"),
    "whiteout of dot-dot": Tar().file(".wh..."),
    "whiteout of dot": Tar().file(".wh.."),
    "whiteout of nothing": Tar().file(".wh."),
    "hard link to outside": Tar().hard_link("h", "../outside/victim"),
    "hard link to the host": Tar().hard_link("h", "/etc/passwd"),
    "hard link through a link": Tar().symlink("l", "../outside").hard_link("h", "l/victim"),
    "hard link to a link, then through": Tar().symlink("l", "../outside").hard_link("h", "l")
    .file("h/f", b"x"),
    "hard link to nothing": Tar().hard_link("h", "missing"),
    "through a file": Tar().file("f").file("f/g"),
    "root as a file": Tar().file("/", b"x"),
    "root as a link": Tar().symlink("./", "/etc"),
    "name with a NUL": Tar().file("f", pax_headers={"path": "a\0b"}),
    "name of 300 bytes": Tar().file("x" * 300),
    "unknown type": Tar().entry("f", b"Z"),
    "negative size": Tar().file("f", b"x", pax_headers={"size": "-512"}),
    "enormous size": Tar().file("f", b"x", pax_headers={"size": str(1 << 62)}),
    "owner out of range": Tar().file("f", pax_headers={"uid": str(1 << 40)}),
    "time out of range": Tar().file("f", pax_headers={"mtime": str(1 << 60)}),
    "time that is none": Tar().file("f", pax_headers={"mtime": "soon"}),
    "header bomb": bomb_of_headers(),
    "cut in a header": cut(Tar().file("f", b"x" * 600), 300),
    "cut in a file": cut(Tar().file("f", b"x" * 600), 700),
    "broken header": with_bytes(Tar().file("f", b"x").file("g", b"y"), 1024, b"#" * 40),
    "data after the end": with_bytes(Tar().file("f", b"x"), 1536, b"#"),
    "garbage": b"#" * 4096,
}  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A directory with a victim beside the one to unpack into."""
    (tmp_path / OUTSIDE).mkdir()
    (tmp_path / OUTSIDE / "victim").write_bytes(b"precious")
    (tmp_path / "layers").mkdir()
    return tmp_path


ARCHIVES = {name: tar if isinstance(tar, bytes) else tar.bytes() for name, tar in HOSTILE.items()}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_layer_fails_and_leaves_nothing(node: Path, name: str) -> None:
    image = Image([ARCHIVES[name]])
    blob = node / "blob"
    blob.write_bytes(image.blobs[0])
    layers = Layers(node / "layers")

    with pytest.raises(ToolFailed, match="cannot unpack layer") as failed:
        await layers.unpack(blob, image.true_diff_ids[0])

    assert "Traceback" not in str(failed.value)
    assert os.listdir(node / "layers") == []
    assert os.listdir(node / OUTSIDE) == ["victim"]
    assert (node / OUTSIDE / "victim").stat().st_nlink == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_alone_keep_a_hostile_layer_inside_without_the_chroot(node: Path, name: str) -> None:
    root = node / "layers"

    with pytest.raises(BadLayer):
        Extractor(str(root)).extract(LayerStream(io.BytesIO(ARCHIVES[name])))

    assert os.listdir(node / OUTSIDE) == ["victim"]
    assert (node / OUTSIDE / "victim").stat().st_nlink == 1
    assert sorted(os.listdir(node)) == ["layers", OUTSIDE]


async def test_an_absolute_name_means_the_root_of_the_layer(node: Path) -> None:
    image = Image([Tar().file("/etc/cri-shim-test", b"x").symlink("lib", "usr/lib").file("lib/y")])
    blob = node / "blob"
    blob.write_bytes(image.blobs[0])

    directory, _ = await Layers(node / "layers").unpack(blob, image.true_diff_ids[0])

    assert (directory / "etc/cri-shim-test").read_bytes() == b"x"
    assert (directory / "usr/lib/y").is_file()


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
async def test_a_damaged_blob_fails_with_a_sentence(node: Path, damage: bytes) -> None:
    blob = node / "blob"
    blob.write_bytes(damage + b"\0" * 100 if damage else damage)

    with pytest.raises(ToolFailed) as failed:
        await Layers(node / "layers").unpack(blob, "sha256:" + "1" * 64)

    assert "Traceback" not in str(failed.value)


async def test_a_directory_that_became_a_link_does_not_lead_its_time_outside(node: Path) -> None:
    before = (node / OUTSIDE).stat().st_mtime_ns
    tar = Tar().directory("d", mtime=1).symlink("d", "../outside").directory("e/f", mtime=1)
    tar.symlink("e", "../outside")
    root = node / "layers"

    Extractor(str(root)).extract(LayerStream(io.BytesIO(tar.bytes())))

    assert (node / OUTSIDE).stat().st_mtime_ns == before


names = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "c", "l", OUTSIDE, ".wh.a", ".wh..wh..opq"]),
    min_size=1,
    max_size=4,
).map("/".join)
entries = st.lists(
    st.tuples(st.sampled_from(["file", "directory", "symlink", "hard_link"]), names, names),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(entries)
def test_no_sequence_of_entries_reaches_out(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[str, str, str]]
) -> None:
    top = tmp_path_factory.mktemp("node")
    (top / OUTSIDE).mkdir()
    (top / OUTSIDE / "victim").write_bytes(b"precious")
    (top / "root").mkdir()
    before = (top / OUTSIDE).stat()
    tar = Tar()
    for kind, name, target in sequence:
        takes_target = {"symlink": (target,), "hard_link": (target,)}.get(kind, ())
        getattr(tar, kind)(name, *takes_target)

    outcome = []
    try:
        Extractor(str(top / "root")).extract(LayerStream(io.BytesIO(tar.bytes())))
    except BadLayer as e:
        outcome.append(e)

    after = (top / OUTSIDE).stat()
    assert sorted(os.listdir(top)) == [OUTSIDE, "root"]
    assert os.listdir(top / OUTSIDE) == ["victim"]
    assert (after.st_mtime_ns, stat.S_IMODE(after.st_mode)) == (
        before.st_mtime_ns,
        stat.S_IMODE(before.st_mode),
    )
    assert (top / OUTSIDE / "victim").stat().st_nlink == 1
    assert os.listxattr(top / OUTSIDE) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1535), st.binary(min_size=1, max_size=30))
def test_random_damage_is_a_bad_layer_or_none(at: int, data: bytes) -> None:
    from cri_shim.store.unpack.archive import members

    tar = with_bytes(Tar().file("name", b"content", pax_headers={"mtime": "1.5"}), at, data)
    outcome: list[str] = []
    try:
        outcome += [member.name for member in members(LayerStream(io.BytesIO(tar)))]
    except BadLayer as e:
        outcome.append(str(e))
    assert all(isinstance(said, str) for said in outcome)
