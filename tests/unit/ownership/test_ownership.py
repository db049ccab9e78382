"""Other users that may change a file or its path. These tests run as root."""

import os
import struct
from pathlib import Path

import pytest

from cri_shim import ownership

OTHER = 12345
NONE = 0xFFFFFFFF  # no id in an entry of an access control list


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory of root, below directories of root."""
    directory = tmp_path / "place"
    directory.mkdir(mode=0o755)
    (directory / "file").touch(mode=0o644)
    return directory


def test_a_file_of_root_below_directories_of_root_has_no_problem(place: Path) -> None:
    assert ownership.of_file(place / "file") == ""
    assert ownership.of_way(place / "file") == ""
    assert ownership.of_way(Path("/usr/bin/env")) == ""
    assert ownership.of_way(place / "missing" / "file") == ""
    assert ownership.of_way(place / "file" / "below") == ""


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "said"),
    [
        (0o646, 0, 0, "everybody may write to {}: chmod o-w"),
        (0o664, 0, OTHER, f"group {OTHER} may write to {{}}: chmod g-w"),
        (0o600, OTHER, 0, f"{{}} belongs to user {OTHER}: change its owner"),
        (0o664, 0, 0, ""),
        (0o644, 0, OTHER, ""),
    ],
)
def test_the_problem_names_the_writer_and_the_remedy(
    place: Path, mode: int, uid: int, gid: int, said: str
) -> None:
    file = place / "file"
    file.chmod(mode)
    os.chown(file, uid, gid)
    assert ownership.of_file(file) == said.format(file)


def test_an_access_control_list_can_let_others_write(place: Path) -> None:
    file = place / "file"
    file.chmod(0o664)
    entry = struct.Struct("<HHI")
    acl = struct.pack("<I", 2) + b"".join(
        entry.pack(*one)
        for one in [(1, 6, NONE), (2, 6, OTHER), (4, 4, NONE), (0x10, 6, NONE), (0x20, 4, NONE)]
    )
    os.setxattr(file, "system.posix_acl_access", acl)
    assert ownership.of_file(file).startswith(f"others may write to {file} by its access control")


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "said"),
    [
        (0o777, 0, 0, "everybody may write to {}"),
        (0o775, 0, OTHER, f"group {OTHER} may write to {{}}"),
        (0o755, OTHER, 0, f"{{}} belongs to user {OTHER}"),
        (0o1755, OTHER, 0, f"{{}} belongs to user {OTHER}"),
        (0o1777, 0, 0, ""),
    ],
)
def test_every_parent_directory_is_checked(
    place: Path, mode: int, uid: int, gid: int, said: str
) -> None:
    (place / "a" / "b").mkdir(parents=True)
    place.chmod(mode)
    os.chown(place, uid, gid)
    assert ownership.of_way(place / "a" / "b" / "file").startswith(said.format(place))


def test_links_are_followed_and_must_belong_to_root(place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (place / "link").symlink_to(elsewhere)
    (place / "back").symlink_to("elsewhere/../link")
    for name in ("link", "back"):
        assert ownership.of_way(place / name / "file") == ""
    elsewhere.chmod(0o777)
    for name in ("link", "back"):
        assert ownership.of_way(place / name / "file").startswith("everybody may write to")
    elsewhere.chmod(0o755)
    os.chown(place / "link", OTHER, OTHER, follow_symlinks=False)
    said = ownership.of_way(place / "back" / "file")
    assert said == f"the link {place}/link belongs to user {OTHER}: change its owner"


def test_dangling_and_circular_links_end_the_check(place: Path) -> None:
    (place / "round").symlink_to("round/x")
    (place / "nowhere").symlink_to("/no/such/place")
    assert ownership.of_way(place / "round" / "file") == ""
    assert ownership.of_way(place / "nowhere" / "file") == ""
    assert "too long" in ownership.of_way(place / ("x" * 300))
