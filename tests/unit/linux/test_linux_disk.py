"""The disk usage of a tree is that of `du`."""

import os
import subprocess
from pathlib import Path

from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from tests.fixtures.trees import make_deep, make_wide


def du(top: Path) -> int:
    words = ["du", "--summarize", "--block-size=1", "--one-file-system", str(top)]
    return int(subprocess.run(words, check=True, capture_output=True).stdout.split()[0])


def test_holes_links_and_depth_are_counted_as_du_counts_them(tmp_path: Path) -> None:
    make_wide(tmp_path / "wide", 300)
    make_deep(tmp_path / "deep", 100)
    (tmp_path / "data").write_bytes(os.urandom(1 << 20))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 << 30)
    for number in range(5):
        (tmp_path / "wide" / f"link{number}").hardlink_to(tmp_path / "data")
    (tmp_path / "symlink").symlink_to("x" * 200)

    found = disk.usage(tmp_path)

    assert found.used_bytes == du(tmp_path)
    assert (found.inodes, found.unseen) == (1 + 301 + 102 + 1 + 1 + 1, 0)


def test_an_empty_tree_has_no_usage(tmp_path: Path) -> None:
    assert disk.usage(tmp_path / "none") == Usage(0, 0)


def test_a_walk_ends_at_its_limit(tmp_path: Path) -> None:
    make_wide(tmp_path / "wide", 5)
    assert disk.usage_unless(tmp_path, lambda names: names == 3) is None
    assert disk.usage_unless(tmp_path, lambda names: names == 100) == disk.usage(tmp_path)
