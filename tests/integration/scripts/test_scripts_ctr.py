"""The stand-ins for ctr and containerd in a node of kind, with the arguments that kind passes."""

import os
import shlex
from pathlib import Path

import pytest

from cri_shim.aio import child
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, command, shown
from tests.fixtures.cri import Cri

CTR = ("deploy/kind/ctr", "--namespace=k8s.io", "images")


@pytest.fixture
def path(cri: Cri, tmp_path: Path) -> str:
    """A PATH whose cri-shim connects to the test's daemon."""
    program = tmp_path / "bin" / "cri-shim"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command(cri))} "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


async def run(path: str, *words: str, stdin: bytes = b"") -> child.Finished:
    """With the directory of the program as its place for temporary files."""
    variables = (f"PATH={path}", f"TMPDIR={path.partition(':')[0]}")
    return await child.run(["env", *variables, *words], stdin=stdin, timeout=LIMIT_S)


def left(path: str) -> list[str]:
    return [entry.name for entry in Path(path.partition(":")[0]).iterdir()]


async def test_an_archive_is_imported_from_the_standard_input_named_and_listed(
    cri: Cri, path: str, tmp_path: Path
) -> None:
    name = "localhost/imported:1"
    archive = busybox.archive(tmp_path / "x.tar", {"Labels": {"kind": "load"}}, name=name)

    words = ("import", "--all-platforms", "--digests", "--snapshotter=overlayfs", "-")
    imported = await run(path, *CTR, *words, stdin=archive.read_bytes())
    assert (imported.returncode, imported.stderr) == (0, b"")
    tagged = await run(path, *CTR, "tag", "--force", name, "localhost/renamed:2")
    assert (tagged.returncode, tagged.stderr) == (0, b"")

    listed = await run(path, *CTR, "list", "-q")
    assert {name, "localhost/renamed:2"} <= set(listed.stdout.decode().split())
    assert left(path) == ["cri-shim"]
    await shown(cri, "image", "rm", name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull", "x"], "of ctr there are images import, tag and list"),
        (["import", "--no-such", "-"], "ctr does not know the option --no-such here"),
        (["import"], "usage: ctr images import -|FILE"),
        (["import", "a b"], "'a b' is no name of an image or file"),
    ],
)
async def test_commands_that_kind_never_uses_are_refused(
    path: str, words: list[str], said: str
) -> None:
    done = await run(path, *CTR, *words)
    assert done.returncode == 1
    assert said in done.stderr.decode()


async def test_a_broken_archive_is_an_error_and_leaves_no_file(path: str) -> None:
    done = await run(path, *CTR, "import", "-", stdin=b"no archive")
    assert done.returncode == 1
    assert b"is not a tar archive" in done.stderr
    assert left(path) == ["cri-shim"]


async def test_containerd_answers_with_a_snapshotter_and_nothing_else(path: str) -> None:
    dump = await run(path, "deploy/kind/containerd", "config", "dump")
    assert b'snapshotter = "overlayfs"' in dump.stdout
    refused = await run(path, "deploy/kind/containerd")
    assert refused.returncode == 1
    assert b"this node runs cri-shim" in refused.stderr
