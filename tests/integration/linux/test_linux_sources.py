"""Sources of mounts: opened without links and without waiting, mounted at places of our own."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio import own_process
from cri_shim.errors import Unavailable
from cri_shim.linux import answering, mounts, sources, syscalls
from tests.fixtures.silent_server import SilentFs, silent_fs


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[SilentFs]:
    with silent_fs(tmp_path / "silent") as fs:
        fs.hang()
        yield fs


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "places"
    sources.prepare(directory)
    yield directory
    sources.release(directory)


def test_a_source_is_found_through_links_with_its_mount(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    path, mount_id, problem = sources.find(str(tmp_path / "link"))
    assert (path, problem) == (str(tmp_path / "real"), "")
    assert mounts.mount_with(mount_id, path).target == mounts.mount_of(path).target


def test_a_magic_link_is_no_source() -> None:
    with pytest.raises(OSError, match="symbolic links") as refused:
        sources.find("/proc/self/cwd")
    assert refused.value.errno == errno.ELOOP


def test_a_cached_path_needs_no_answer_of_the_server(silent: SilentFs, places: Path) -> None:
    path = str(silent.directory)
    assert own_process.cached(sources.find, [(path,)])[0][0] == path
    assert own_process.cached(sources.on_disk, [(path,)]) == [False]
    assert own_process.cached(sources.attach, [(path, str(places / "0"), "private")]) == [None]
    sources.release(places)
    assert not places.exists()
    assert silent.asked == []


def test_an_uncached_path_is_not_requested_from_the_server(silent: SilentFs, places: Path) -> None:
    path = str(silent.directory / "below")
    calls = (
        lambda: sources.find(path, cached=True),
        lambda: sources.check(path, (), cached=True),
        lambda: sources.attach(path, str(places / "0"), "private", cached=True),
        lambda: sources.check(str(silent.directory), ("below",), cached=True),
        lambda: sources.on_disk(path, cached=True),
    )
    for call in calls:
        with pytest.raises(BlockingIOError):
            call()
    assert silent.asked == []
    assert list(places.iterdir()) == []


@pytest.mark.parametrize("name", ["absent", "absent/below/it", "file/below/it"])
def test_a_name_that_a_disk_does_not_have_needs_no_answer(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert own_process.cached(sources.on_disk, [(str(tmp_path / name),)]) == [True]


def test_a_link_to_a_server_is_not_taken_for_an_absent_name(
    silent: SilentFs, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(silent.directory / "below")
    for path in (link, link / "further"):
        with pytest.raises(BlockingIOError):
            sources.on_disk(str(path), cached=True)
    assert silent.asked == []


def test_sources_are_mounted_and_released_together(tmp_path: Path, places: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "directory" / "below").mkdir(parents=True)
    syscalls.mount("tmpfs", tmp_path / "directory" / "below", "tmpfs", 0)
    (tmp_path / "directory" / "below" / "deep").touch()
    try:
        sources.attach(str(tmp_path / "file"), str(places / "0"), "private")
        sources.attach(str(tmp_path / "directory"), str(places / "1"), "shared")
        assert (places / "0").read_text() == "content"
        assert (places / "1" / "below" / "deep").exists()
        sources.release(places)
        sources.release(places)
        assert not places.exists()
        assert (tmp_path / "directory" / "below" / "deep").exists()
    finally:
        mounts.unmount(tmp_path / "directory" / "below")


@pytest.mark.parametrize("component", ["link", "link/deep"])
def test_a_link_in_the_path_is_not_followed(tmp_path: Path, places: Path, component: str) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="symbolic links"):
        sources.attach(str(tmp_path / component), str(places / "0"), "private")
    assert list(places.iterdir()) == []


@pytest.mark.parametrize(
    ("nested", "refused"),
    [
        ("plain", False),
        ("missing/deep", False),
        ("inner/x", False),
        ("file/x", False),
        ("outer", True),
        ("outer/x/y", True),
        ("absolute", True),
        ("loop", True),
        ("plain/../../up", True),
    ],
)
def test_a_nested_path_that_leaves_its_source_is_refused(
    tmp_path: Path, nested: str, refused: bool
) -> None:
    source = tmp_path / "source"
    (source / "plain").mkdir(parents=True)
    (source / "file").touch()
    (source / "inner").symlink_to("plain")
    (source / "outer").symlink_to("..")
    (source / "absolute").symlink_to("/etc")
    (source / "loop").symlink_to("loop")
    found = own_process.cached(lambda *item, cached: sources.check(*item), [(source, (nested,))])
    assert [error.errno for error in found if error] == ([errno.EXDEV] if refused else [])


async def test_a_silent_file_system_is_named_before_a_thread_reads_it(
    silent: SilentFs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process.each, "__kwdefaults__", {"limit": 0.5})
    own_process.use()
    try:
        await answering.ensure(str(Path(__file__) / "not" / "there"))
        with pytest.raises(Unavailable, match="did not answer"):
            await answering.ensure(str(silent.directory / "below"))
    finally:
        silent.end()
        await own_process.close()
