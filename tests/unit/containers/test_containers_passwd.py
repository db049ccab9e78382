"""Lines for a user whom the image does not know."""

import os
from pathlib import Path

import pytest

from cri_shim.containers import passwd
from cri_shim.spec.users import User

ROOT, STAFF = "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n"
STRANGER = User(uid=4711, gid=4712)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(ROOT)
    (tmp_path / "etc/group").write_text(STAFF)
    return tmp_path


def files(root: Path) -> tuple[str, str]:
    return (root / "etc/passwd").read_text(), (root / "etc/group").read_text()


def test_an_unknown_user_and_group_get_a_line(root: Path) -> None:
    passwd.complete(root, STRANGER, {"HOME": "/srv"})
    line = "default:x:4711:4712:default user:/srv:/sbin/nologin\n"
    assert files(root) == (ROOT + line, STAFF + "4712:x:4712:\n")


def test_a_known_user_and_group_get_none(root: Path) -> None:
    passwd.complete(root, User(), {})
    assert files(root) == (ROOT, STAFF)


def test_the_lines_are_added_once(root: Path) -> None:
    passwd.complete(root, STRANGER, {})
    once = files(root)
    passwd.complete(root, STRANGER, {})
    assert files(root) == once


def test_the_name_is_the_uid_if_the_image_has_a_user_default(root: Path) -> None:
    (root / "etc/passwd").write_text("default:x:1:1::/:/bin/sh")
    passwd.complete(root, STRANGER, {})
    assert files(root)[0].splitlines()[1] == "4711:x:4711:4712:4711 user:/:/sbin/nologin"


@pytest.mark.parametrize("home", ["/a:b", "/a\nroot:x:0:0::/:/bin/sh"])
def test_a_home_that_would_be_another_field_or_line_is_not_used(root: Path, home: str) -> None:
    passwd.complete(root, STRANGER, {"HOME": home})
    assert files(root)[0].splitlines()[1:] == ["default:x:4711:4712:default user:/:/sbin/nologin"]


def test_an_image_without_the_files_gets_none(tmp_path: Path) -> None:
    passwd.complete(tmp_path, STRANGER, {})
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_inside_the_root_file_system(root: Path, tmp_path: Path) -> None:
    (root / "etc/passwd").rename(root / "etc/users")
    (root / "etc/passwd").symlink_to("/etc/users")
    passwd.complete(root, STRANGER, {})
    assert "4711" in (root / "etc/users").read_text()
    assert "4711" not in Path("/etc/passwd").read_text()


def test_a_file_that_is_no_regular_file_is_an_error(root: Path) -> None:
    (root / "etc/passwd").unlink()
    os.mkfifo(root / "etc/passwd")
    with pytest.raises(OSError, match="not a regular file"):
        passwd.complete(root, STRANGER, {})
