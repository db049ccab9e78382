"""Reading /proc/self/mountinfo."""

from pathlib import Path

import pytest

from cri_shim.linux import mounts


def only(line: str) -> mounts.Mount:
    (mount,) = mounts.parse_mountinfo(line + "\n")
    return mount


def test_a_line_gives_its_fields() -> None:
    mount = only("36 35 98:0 /root /mnt/a rw,noatime shared:7 master:1 - ext4 /dev/sda1 rw,quota")
    assert mount == mounts.Mount(
        id=36,
        device="98:0",
        root="/root",
        target=Path("/mnt/a"),
        options=("rw", "noatime"),
        optional=("shared:7", "master:1"),
        fstype="ext4",
        super_options=("rw", "quota"),
    )


def test_a_line_without_optional_fields_is_read() -> None:
    assert only("27 1 254:0 / / rw - ext4 /dev/vda rw").optional == ()


def test_octal_escapes_in_paths_are_undone() -> None:
    assert only(r"1 1 0:1 / /a\040b\011c\134d\043 rw - tmpfs x rw").target == Path("/a b\tc\\d#")


@pytest.mark.parametrize("odd", ["\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\udcff", "\x1b[2J"])
def test_unescaped_characters_are_part_of_a_path(odd: str) -> None:
    found = only(f"1 1 0:1 /root{odd}a /a{odd}b rw - tmpfs x rw")
    assert (found.root, found.target) == (f"/root{odd}a", Path(f"/a{odd}b"))


def test_a_dash_in_a_path_does_not_end_the_optional_fields() -> None:
    mount = only("1 1 0:1 / /a-b rw shared:1 - tmpfs - rw")
    assert (mount.target, mount.optional, mount.fstype) == (Path("/a-b"), ("shared:1",), "tmpfs")


def test_every_line_of_this_machine_is_read() -> None:
    assert Path("/proc") in [mount.target for mount in mounts.mountinfo()]


def test_the_lower_directories_of_overlays_are_found_in_either_form() -> None:
    text = (
        "1 0 0:1 / /a rw - overlay overlay rw,lowerdir=/x/one:/x/two,upperdir=/u,workdir=/w\n"
        "2 0 0:2 / /b rw - overlay overlay rw,lowerdir+=/x/three,lowerdir+=/x/four,upperdir=/u\n"
        "3 0 0:3 / /c rw - ext4 /dev/sda rw,lowerdir=/x/none\n"
    )
    found = mounts.lower_directories(mounts.parse_mountinfo(text))
    assert found == {"one", "two", "three", "four"}
