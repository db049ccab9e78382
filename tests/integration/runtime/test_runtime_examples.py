"""The programs in examples/ do what they say."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim import Runtime, options
from cri_shim.aio import child
from cri_shim.linux import mounts
from cri_shim.network.bundled import Bundled
from cri_shim.network.network import Network
from tests.fixtures import busybox

EXAMPLES = Path(__file__).parents[3] / "examples"
LIMIT_S = 60.0


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as name:
        path = Path(name)
        yield path
        for mounted in mounts.mounts_below(path):
            mounts.unmount(mounted)
        settings = Runtime(options.with_storage(path / "root", path / "run")).config().network
        network = Network(
            settings.config_dir,
            [],
            path / "root" / "cni",
            bundled=Bundled(settings.subnet, settings.bridge),
            add_timeout=60,
            del_timeout=60,
        )
        asyncio.run(network.uninstall())


async def example(name: str, *words: object) -> child.Finished:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    return await child.run(command, timeout=LIMIT_S)


async def test_a_pod_runs_and_is_listed(directory: Path) -> None:
    archive = busybox.archive(directory / "busybox.tar")
    script = "echo hello; echo oops >&2; exit 3"
    ran = await example("run_pod.py", directory, archive, "sh", "-c", script)
    assert (ran.returncode, ran.stdout) == (3, b"hello\n"), ran.complaint()
    assert ran.stderr.splitlines()[-1] == b"oops"
    assert mounts.mounts_below(directory) == []

    listed = await example("list_all.py", directory / "root", directory / "run")
    assert listed.returncode == 0, listed.complaint()
    words = listed.stdout.decode().split()
    assert (words[0], words[-1], words.count("pod")) == ("image", busybox.NAME, 0)


async def test_info_is_shown_as_json(directory: Path) -> None:
    shown = await example("show_info.py", directory / "root", directory / "run")
    assert shown.returncode == 0, shown.complaint()
    assert json.loads(shown.stdout)["store"]["root"] == str(directory / "root")


def test_all_three_examples_are_tested() -> None:
    programs = sorted(file.name for file in EXAMPLES.glob("*.py"))
    here = Path(__file__).read_text()
    assert len(programs) == 3
    assert [name for name in programs if f'"{name}"' not in here] == []
