"""A container's log whose directory others remove or replace."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError, Unavailable, WrongState
from cri_shim.linux import mounts, syscalls
from cri_shim.oci.log_file import LogQuery, read
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.silent import silent_mount

TALK = "while :; do echo line; usleep 20000; done"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def grows(log: Path) -> Callable[[], bool]:
    """Whether lines have been written since this was called."""
    before = log.read_bytes() if log.exists() else b""
    return lambda: log.exists() and log.read_bytes() not in (before, b"")


async def reopen(cri: Cri, container: str) -> None:
    request = api.ReopenContainerLogRequest(container_id=container)
    await cri.runtime.ReopenContainerLog(request)


async def talking(cri: Cri, handler: str, log_path: str = "main.log") -> tuple[str, Path]:
    """A container that writes a line now and then, and its log."""
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sh", "-c", TALK])
    config.log_path = log_path
    container = await cri.create(pod, config)
    await cri.start(container)
    log = Path((await cri.status(container)).log_path)
    await until(grows(log))
    return container, log


@pytest.mark.parametrize("log_path", ["main.log", "main/deep/0.log"])
async def test_a_log_whose_directory_was_removed_is_reopened_in_a_new_one(
    cri: Cri, handler: str, log_path: str
) -> None:
    container, log = await talking(cri, handler, log_path)
    for _ in range(2):
        shutil.rmtree(log.parents[log_path.count("/")])
        await reopen(cri, container)
        await until(grows(log))
    assert not log.is_symlink()
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING


def _file_for_directory(log: Path) -> None:
    shutil.rmtree(log.parent)
    log.parent.write_text("not a directory")


def _link_for_directory(log: Path) -> None:
    log.parent.rename(log.parent.with_suffix(".moved"))
    log.parent.symlink_to("/tmp")


def _directory_for_log(log: Path) -> None:
    log.unlink()
    log.mkdir()


def _directory_for_new_log(log: Path) -> None:
    Path(f"{log}.tmp").mkdir()


def _full_file_system(log: Path) -> None:
    syscalls.mount("full", log.parent, "tmpfs", 0, "nr_inodes=1")


def _take_away(path: Path) -> None:
    mounts.unmount(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


IN_THE_WAY = [
    _file_for_directory,
    _link_for_directory,
    _directory_for_log,
    _directory_for_new_log,
    _full_file_system,
]


@pytest.mark.parametrize("put", IN_THE_WAY)
async def test_a_new_log_that_cannot_be_made_is_refused_and_conmon_lives(
    cri: Cri, handler: str, put: Callable[[Path], None]
) -> None:
    container, log = await talking(cri, handler)
    put(log)
    with pytest.raises(CriShimError, match=str(log.parent)):
        await reopen(cri, container)
    _take_away(log.parent)
    await reopen(cri, container)
    await until(grows(log))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/full")])
async def test_an_object_in_place_of_a_new_log_is_replaced_by_a_file(
    cri: Cri, handler: str, make: Callable[[Path], None]
) -> None:
    container, log = await talking(cri, handler)
    make(Path(f"{log}.tmp"))
    await reopen(cri, container)
    await until(grows(log))
    assert not log.is_symlink()


async def test_conmon_follows_no_link_made_at_the_last_moment(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    container, log = await talking(cri, handler)
    target = tmp_path / "target"
    target.write_text("of the node")
    Path(f"{log}.tmp").symlink_to(target)
    bundle = Path((await cri.info(container))["bundle"])
    (bundle / "ctl").write_text("2 0 0\n")  # as the daemon requests it after its check
    monitor = Path(f"/proc/{(await cri.info(container))['monitorPid']}")
    await until(lambda: not monitor.exists() or not Path(f"{log}.tmp").is_symlink())
    assert target.read_text() == "of the node"


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("target-of-a-log")]
)
async def test_a_container_whose_log_is_not_a_file_is_not_started(
    cri: Cri, handler: str, make: Callable[[Path], None]
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.create(pod, container_config(["true"]))
    log = Path((await cri.status(container)).log_path)
    make(log)
    with pytest.raises(WrongState, match=f"{log} cannot be a log"):
        await cri.start(container)
    status = await cri.status(container)
    assert (status.state, status.reason) == (api.CONTAINER_EXITED, "StartError")
    assert not log.with_name("target-of-a-log").exists()


@pytest.mark.parametrize("linked", ["logs", "logs/main"])
async def test_a_link_in_place_of_a_directory_of_the_log_is_not_followed(
    cri: Cri, tmp_path: Path, linked: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(elsewhere)
    config = pod_config(cri.daemon)
    config.log_directory = str(tmp_path / "logs")
    pod = await cri.run_pod(config)
    main = container_config(["true"])
    main.log_path = "main/0.log"
    with pytest.raises(WrongState, match=r"symbolic link"):
        await cri.create(pod, main)
    assert list(elsewhere.iterdir()) == []


async def test_links_above_the_pods_log_directory_are_the_nodes(cri: Cri, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "real")
    config = pod_config(cri.daemon)
    config.log_directory = str(tmp_path / "var" / "pod")
    container = await cri.run(await cri.run_pod(config), ["echo", "line"])
    await cri.exited(container)
    assert "line" in (tmp_path / "real" / "pod" / "main.log").read_text()


async def test_a_log_on_a_silent_file_system_delays_no_other_container(
    cri: Cri, tmp_path: Path
) -> None:
    with silent_mount(tmp_path / "silent") as silent:
        config = pod_config(cri.daemon)
        config.log_directory = str(silent / "pod")
        pod = await cri.run_pod(config)
        creating = asyncio.create_task(cri.create(pod, container_config(["true"])))
        started = time.monotonic()
        while not creating.done():
            before = time.monotonic()
            await cri.runtime.Version(api.VersionRequest())
            assert time.monotonic() - before < 2
            await asyncio.sleep(0.1)
        assert time.monotonic() - started > 5
        with pytest.raises(Unavailable, match=f"{silent}.*did not answer"):
            await creating
        assert await cri.containers() == []


async def test_a_reader_of_a_log_on_a_silent_file_system_gets_an_error(
    tmp_path: Path,
) -> None:
    with silent_mount(tmp_path / "silent") as silent:
        with pytest.raises(Unavailable, match=f"{silent}.*did not answer"):
            async for _ in read(silent / "pod" / "main.log", LogQuery()):
                pass
