"""The directory of CNI configurations disappears and returns, as when a provider is reinstalled."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.rig import Rig, mortal_daemon, spied
from tests.fixtures.daemon import Daemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({"network.bundled": False}, far_from_anything) as started:
        yield started


def far_from_anything(daemon: Daemon) -> None:
    """The directory is below a parent of its own."""
    spied(daemon)
    above = daemon.directory / "cni"
    above.mkdir()
    daemon.settings["cni_config_dir"] = str((daemon.directory / "net.d").rename(above / "net.d"))


def deleted(directory: Path) -> None:
    shutil.rmtree(directory)


def moved_away(directory: Path) -> None:
    directory.rename(directory.with_name("old"))


def deleted_with_its_parent(directory: Path) -> None:
    shutil.rmtree(directory.parent)


GOINGS: list[Callable[[Path], None]] = [deleted, moved_away, deleted_with_its_parent]


@pytest.mark.parametrize("go", GOINGS)
async def test_the_network_is_ready_again_once_its_directory_returns(
    rig: Rig, go: Callable[[Path], None]
) -> None:
    directory = rig.daemon.directory / "cni" / "net.d"
    (file,) = directory.iterdir()
    content = file.read_text()
    go(directory)
    await rig.network_becomes(False)
    directory.mkdir(parents=True)
    file.write_text(content)
    await rig.network_becomes(True)
    await rig.cri.run_pod()
