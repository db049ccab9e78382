"""Directories and files that other users of the machine cannot reach."""

import errno
import os
import stat
from pathlib import Path

import pytest

from cri_shim.linux import privacy


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_directory_is_made_with_its_missing_parents(tmp_path: Path) -> None:
    privacy.make_private(tmp_path / "a/b")
    privacy.make_private(tmp_path / "a/b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a/b")) == (0o700, 0o700)


def test_an_accessible_directory_is_made_private_and_its_parents_are_unchanged(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    (tmp_path / "a/b").mkdir()
    (tmp_path / "a/b").chmod(0o2777)
    privacy.make_private(tmp_path / "a/b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a/b")) == (0o755, 0o700)


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        privacy.make_private(tmp_path / "a/b")


def test_a_private_file_replaces_an_accessible_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o666)
    privacy.write_private(file, "caf\udce9")
    assert (mode(file), file.read_bytes()) == (0o600, b"caf\xe9")
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_is_not_written_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("as it was")
    (tmp_path / ".file").symlink_to("victim")
    privacy.write_private(tmp_path / "file", "x")
    assert (tmp_path / "victim").read_text() == "as it was"
    assert (tmp_path / "file").read_text() == "x"
    assert not (tmp_path / "file").is_symlink()


def test_a_group_can_get_access(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    privacy.let_group_pass(tmp_path, 100000)
    assert (mode(tmp_path), tmp_path.stat().st_gid) == (0o710, 100000)


def test_new_groups_with_access_replace_the_old_ones(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for groups, bits in (([100000, 200000, 100000], 0o710), ([300000], 0o710), ([], 0o700)):
        privacy.let_groups_pass(tmp_path, groups)
        assert mode(tmp_path) == bits
        named = privacy._ACL in os.listxattr(tmp_path)
        assert named == bool(groups)


def test_without_acls_a_directory_can_be_traversed_but_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    privacy.let_groups_pass(tmp_path, [100000, 200000])
    assert mode(tmp_path) == 0o711
    privacy.let_groups_pass(tmp_path, [])
    assert mode(tmp_path) == 0o700


def test_a_file_system_root_on_which_nothing_can_be_made_is_not_changed() -> None:
    before = Path("/proc").stat().st_mode
    with pytest.raises(FileNotFoundError):
        privacy.make_private(Path("/proc/nothing/below"))
    assert Path("/proc").stat().st_mode == before
