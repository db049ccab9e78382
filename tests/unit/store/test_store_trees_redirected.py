"""Files below symbolic links of lower layers: the tree is the one that umoci and tar make."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cri_shim.store.trees import merged, redirected
from cri_shim.store.trees.merged import Layer, Node
from cri_shim.store.unpack.extract import Extractor
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream
from tests.fixtures.images import Image, Tar

Tree = dict[str, tuple[str, str]]  # path -> kind, content


class Unpacked:
    """A layer on the disk, and the directories that it does not describe."""

    def __init__(self, directory: Path, tar: bytes) -> None:
        self.directory = directory
        directory.mkdir(mode=0o755)
        extractor = Extractor(str(directory))
        mask = os.umask(0)
        try:
            with (directory.parent / "tar").open("w+b") as file:
                file.write(tar)
                file.seek(0)
                stream = LayerStream(file)
                extractor.extract(stream)
                stream.finish()
        finally:
            os.umask(mask)
        self.implied = [os.fsencode(path) for path in extractor.implied()]


def stack_of(top: Path, tars: Sequence[bytes]) -> list[Path]:
    """Unpack layers, bottom first; return the directories of a root file system, topmost first."""
    lowers: list[Path] = []
    for number, tar in enumerate(tars):
        own = Unpacked(top / str(number), tar)
        other = top / f"{number}-redirected"
        other.mkdir(mode=0o755)
        found = redirected.write(other, own.directory, lowers, own.implied) if lowers else None
        lowers.insert(0, own.directory if found is None else other)
    return lowers


def ours(top: Path, tars: Sequence[bytes]) -> Tree:
    found: Tree = {}
    with merged.opened([Layer(str(lower)) for lower in stack_of(top, tars)]) as (root,):
        assert root is not None
        _read(root, "", found)
    return found


def _read(node: Node, path: str, found: Tree) -> None:
    for name, having in merged.names(node).items():
        entry = merged.child(node, name, having)
        if entry is None:
            continue
        below = f"{path}/{name}"
        part = entry.parts[0]
        found[below] = _fact(Path(f"{part.layer.path}/{part.path}"))
        _read(entry, below, found)


def _fact(path: Path) -> tuple[str, str]:
    if path.is_symlink():
        return "link", str(path.readlink())
    return ("directory", "") if path.is_dir() else ("file", path.read_text())


def umocis(top: Path, tars: Sequence[bytes]) -> Tree | None:
    """Return what umoci makes of an image with these layers; None if it cannot unpack it."""
    layout = Image(list(tars)).write_layout(top / "layout", "a")
    (top / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    words = ["umoci", "raw", "unpack", "--image", f"{layout}:a", str(top / "umoci")]
    done = subprocess.run(words, capture_output=True)
    if done.returncode:
        return None
    return {
        f"/{path.relative_to(top / 'umoci')}": _fact(path)
        for path in sorted((top / "umoci").rglob("*"))
    }


def both(tars: Sequence[bytes]) -> tuple[Tree, Tree | None]:
    with tempfile.TemporaryDirectory() as name:
        return ours(Path(name), tars), umocis(Path(name), tars)


def usr() -> Tar:
    """A base as of a distribution with a merged /usr."""
    return (
        Tar().directory("usr").directory("usr/lib").file("usr/lib/ld.so", b"1").directory("etc")
        .symlink("lib", "usr/lib").symlink("etc/alternatives", "../var/alternatives")
    )  # fmt: skip


CHAINS: dict[str, list[Tar]] = {
    "a file below a link": [usr(), Tar().file("lib/x", b"2")],
    "directories below a link": [usr(), Tar().directory("lib/a").file("lib/a/b/x", b"2")],
    "a whiteout below a link": [usr(), Tar().whiteout("lib/ld.so").file("lib/x", b"2")],
    "a file replaced through a link": [usr(), Tar().file("lib/ld.so", b"2")],
    "and then in its own place": [
        usr(), Tar().file("lib/ld.so", b"2"), Tar().file("usr/lib/ld.so", b"3"),
    ],
    "and then again through the link": [
        usr(), Tar().file("lib/x", b"2"), Tar().file("lib/x", b"3").file("lib/y", b"3"),
    ],
    "a directory in place of the link": [usr(), Tar().directory("lib").file("lib/x", b"2")],
    "a directory in place of the link, and then a file": [
        usr(), Tar().directory("lib"), Tar().file("lib/x", b"2"),
    ],
    "a link in place of a directory": [
        usr(), Tar().directory("opt").file("opt/a", b"2"), Tar().symlink("opt", "usr"),
        Tar().file("opt/lib/x", b"4"),
    ],
    "a chain of links": [
        usr(), Tar().symlink("l1", "l2").symlink("l2", "./lib"), Tar().file("l1/x", b"3"),
    ],
    "a link to nothing": [usr(), Tar().file("etc/alternatives/x", b"2")],
    "a link to a directory that is only implied": [
        Tar().file("a/b/c", b"1").symlink("l", "a/b"), Tar().file("l/d", b"2"),
    ],
    "a link behind a link": [
        usr(), Tar().symlink("usr/lib/modules", "../share"), Tar().file("lib/modules/x", b"3"),
    ],
    "an absolute link": [
        usr(), Tar().symlink("lib64", "/usr/lib"), Tar().file("lib64/x", b"3"),
    ],
    "a link that leaves the root": [
        usr(), Tar().symlink("etc/up", "../../../usr"), Tar().file("etc/up/lib/x", b"3"),
    ],
    "a hard link beside": [
        usr(), Tar().file("lib/x", b"2").hard_link("lib/y", "lib/x"),
    ],
    "an opaque directory below a link": [
        usr(), Tar().directory("usr/lib/d").file("usr/lib/d/old", b"2"),
        Tar().directory("lib/d").opaque("lib/d").file("lib/d/new", b"3"),
    ],
    "a link that was removed": [usr(), Tar().whiteout("lib"), Tar().file("lib/x", b"3")],
}  # fmt: skip


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_is_the_tree_that_umoci_makes(kind: str) -> None:
    tree, expected = both([tar.bytes() for tar in CHAINS[kind]])
    assert expected is not None
    assert tree == expected


# Those without whiteouts, which tar does not know, and without links that would lead it elsewhere.
FOR_TAR = ["a file below a link", "directories below a link", "a file replaced through a link",
           "and then in its own place", "and then again through the link", "a hard link beside",
           "a directory in place of the link, and then a file"]  # fmt: skip


@pytest.mark.parametrize("kind", FOR_TAR)
def test_a_chain_is_the_tree_that_gnu_tar_makes(tmp_path: Path, kind: str) -> None:
    tars = [tar.bytes() for tar in CHAINS[kind]]
    target = tmp_path / "gnu"
    target.mkdir()
    for data in tars:
        subprocess.run(["tar", "-xf-", "-C", str(target)], input=data, check=True)
    made = {f"/{path.relative_to(target)}": _fact(path) for path in target.rglob("*")}
    assert ours(tmp_path, tars) == made


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
links = st.sampled_from(["a", "b", "../a", "b/c", "./c", "../../b"])


entries = st.one_of(
    st.tuples(st.just("file"), paths, st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("directory"), paths, st.just("")),
    st.tuples(st.just("link"), paths, links),
    st.tuples(st.just("whiteout"), names, st.just("")),
)
layers = st.lists(entries, min_size=1, max_size=5, unique_by=lambda entry: entry[1])


def tar_of(layer: Sequence[tuple[str, str, str]]) -> bytes:
    tar = Tar()
    for kind, path, text in layer:
        match kind:
            case "file":
                tar.file(path, text.encode())
            case "directory":
                tar.directory(path)
            case "link":
                tar.symlink(path, text)
            case _:
                tar.whiteout(path)
    return tar.bytes()


@pytest.mark.large
@settings(deadline=None)
@given(st.lists(layers, min_size=2, max_size=4))
def test_any_chain_is_the_tree_that_umoci_makes(
    chain: list[list[tuple[str, str, str]]],
) -> None:
    for (
        layer
    ) in chain:  # an entry through a link of the same layer: test_store_unpack_tree has those
        ends = [path for kind, path, _ in layer if kind != "directory"]
        assume(not any(path.startswith(f"{end}/") for _, path, _ in layer for end in ends))
    try:
        tree, expected = both([tar_of(layer) for layer in chain])
    except BadLayer:  # a link in the layer itself that leads out of it, for instance
        assume(False)
    with tempfile.TemporaryDirectory() as name:
        backwards = umocis(Path(name), [tar_of(layer[::-1]) for layer in chain])
    # Which of two entries wins that have one place, in two ways, depends on their order there.
    assume(expected is not None and backwards == expected)
    assert tree == expected
