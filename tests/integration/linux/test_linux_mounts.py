"""Real mounts, below a directory of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.linux import mounts, syscalls


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    for name in ("source", "target", "upper", "work", "lower"):
        (tmp_path / name).mkdir()
    yield tmp_path
    for path in mounts.mounts_below(tmp_path):
        mounts.unmount(path)
    assert mounts.mounts_below(tmp_path) == []


def test_a_bind_mount_shows_the_source_and_is_writable(place: Path) -> None:
    mounts.bind(place / "source", place / "target")
    (place / "target/file").write_text("x")
    assert (place / "source/file").read_text() == "x"


def test_a_read_only_bind_leaves_the_source_writable(place: Path) -> None:
    mounts.bind(place / "source", place / "target", readonly=True)
    with pytest.raises(OSError, match="Read-only"):
        (place / "target/file").touch()
    (place / "source/file").touch()


def test_a_recursive_read_only_bind_is_so_below_too(place: Path) -> None:
    (place / "source/below").mkdir()
    mounts.tmpfs(place / "source/below", 1 << 20, 0o755)
    mounts.bind(place / "source", place / "target", readonly=True, recursive=True)
    with pytest.raises(OSError, match="Read-only"):
        (place / "target/below/file").touch()
    (place / "source/below/file").touch()


def test_a_plain_bind_leaves_out_what_is_mounted_below(place: Path) -> None:
    (place / "source/below").mkdir()
    mounts.tmpfs(place / "source/below", 1 << 20, 0o755)
    (place / "source/below/file").touch()
    mounts.bind(place / "source", place / "target")
    assert list((place / "target/below").iterdir()) == []


def test_a_file_can_be_bound_on_a_file(place: Path) -> None:
    (place / "program").write_text("x")
    (place / "copy").touch()
    mounts.bind(place / "program", place / "copy", readonly=True)
    assert (place / "copy").read_text() == "x"
    assert mounts.is_mounted(place / "copy")


def test_a_mount_on_a_missing_target_names_it(place: Path) -> None:
    with pytest.raises(FileNotFoundError) as refusal:
        mounts.bind(place / "source", place / "missing")
    assert refusal.value.filename == str(place / "missing")


def test_a_tmpfs_has_its_size_and_mode(place: Path) -> None:
    mounts.tmpfs(place / "target", 64 << 10, 0o1777)
    assert (place / "target").stat().st_mode & 0o7777 == 0o1777
    with pytest.raises(OSError, match="No space left"):
        (place / "target/file").write_bytes(bytes(65 << 10))


def test_an_overlay_writes_to_its_upper_only(place: Path) -> None:
    (place / "lower/old").write_text("old")
    lowers = [place / "lower", place / "source"]
    mounts.overlay(lowers, place / "upper", place / "work", place / "target")
    (place / "target/old").write_text("new")
    assert (place / "lower/old").read_text() == "old"
    assert (place / "upper/old").read_text() == "new"
    assert (place / "work/work/incompat/volatile").exists()


def test_an_overlay_without_an_upper_is_read_only(place: Path) -> None:
    mounts.overlay([place / "lower", place / "source"], None, None, place / "target")
    with pytest.raises(OSError, match="Read-only"):
        (place / "target/file").touch()


def test_the_first_lower_is_the_uppermost(place: Path) -> None:
    (place / "lower/file").write_text("above")
    (place / "source/file").write_text("below")
    lowers = [place / "lower", place / "source"]
    mounts.overlay(lowers, place / "upper", place / "work", place / "target")
    assert (place / "target/file").read_text() == "above"


def test_layers_whose_options_exceed_a_page_are_mounted(place: Path) -> None:
    layers = [place / f"{'layer' * 20}{n}" for n in range(120)]
    for layer in layers:
        layer.mkdir()
        (layer / f"from-{layer.name}").touch()
        (layer / "every").write_text(layer.name)
    mounts.overlay(layers, place / "upper", place / "work", place / "target")
    assert len(list((place / "target").iterdir())) == 121
    assert (place / "target/every").read_text() == layers[0].name
    assert (place / "work/work/incompat/volatile").exists()


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a,upperdir=b"])
def test_odd_characters_in_a_layers_path_work(place: Path, name: str) -> None:
    layer = place / name
    layer.mkdir()
    (layer / "file").touch()
    mounts.overlay([layer], place / "upper", place / "work", place / "target")
    assert (place / "target/file").exists()


@pytest.mark.parametrize("count", [1, 120])
def test_a_missing_layer_is_an_error_and_mounts_nothing(place: Path, count: int) -> None:
    missing = [place / f"{'missing' * 20}{n}" for n in range(count)]
    with pytest.raises(FileNotFoundError) as refusal:
        mounts.overlay(missing, place / "upper", place / "work", place / "target")
    assert refusal.value.filename == str(missing[0])
    assert not mounts.is_mounted(place / "target")


def test_unmounting_twice_is_no_error(place: Path) -> None:
    mounts.tmpfs(place / "target", 1 << 20, 0o755)
    mounts.unmount(place / "target")
    mounts.unmount(place / "target")
    mounts.unmount(place / "missing")
    mounts.unmount(place / "missing/deeper")
    assert not mounts.is_mounted(place / "target")


def test_a_mount_in_use_leaves_the_tree_when_lazy_and_refuses_otherwise(place: Path) -> None:
    mounts.tmpfs(place / "target", 1 << 20, 0o755)
    with (place / "target/file").open("w"):
        with pytest.raises(OSError, match="busy"):
            mounts.unmount(place / "target", lazy=False)
        mounts.unmount(place / "target")
        assert not mounts.is_mounted(place / "target")


def test_unmounting_does_not_follow_a_link(place: Path) -> None:
    mounts.tmpfs(place / "target", 1 << 20, 0o755)
    (place / "link").symlink_to(place / "target")
    mounts.unmount(place / "link")
    assert mounts.is_mounted(place / "target")


def test_mounts_below_are_listed_last_first_with_odd_names(place: Path) -> None:
    odd = place / "target/a b\n\\c"
    mounts.tmpfs(place / "target", 1 << 20, 0o755)
    odd.mkdir()
    mounts.tmpfs(odd, 1 << 20, 0o755)
    assert mounts.mounts_below(place) == [odd, place / "target"]


def test_a_directory_with_a_similar_name_is_not_below(place: Path) -> None:
    (place / "target2").mkdir()
    mounts.tmpfs(place / "target2", 1 << 20, 0o755)
    assert mounts.mounts_below(place / "target") == []


def test_propagation_is_that_of_the_mount_a_path_is_on(place: Path) -> None:
    mounts.tmpfs(place / "target", 1 << 20, 0o755)
    (place / "target/below").mkdir()
    syscalls.mount(None, place / "target", None, syscalls.MS_PRIVATE)
    before = mounts.propagation(mounts.mount_of(place / "target/below"))
    mounts.make_shared(place / "target")
    after = mounts.propagation(mounts.mount_of(place / "target/below"))
    syscalls.mount(None, place / "target", None, syscalls.MS_PRIVATE)
    assert before == (False, False)
    assert after == (True, False)
    assert mounts.propagation(mounts.mount_of(place / "target/below")) == (False, False)


def test_only_a_mount_point_can_be_made_shared(place: Path) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        mounts.make_shared(place / "target")
