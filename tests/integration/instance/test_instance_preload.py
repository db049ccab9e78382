"""Images of image.preload_dir: here before the first pod runs, pinned, and not loaded twice."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.artifacts import Artifact, Layer
from tests.fixtures.commands import shown
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon
from tests.fixtures.images import Image, Tar, write_layout_of

_REF = "org.opencontainers.image.ref.name"
GATE = """#!/bin/sh
while [ ! -e {gate} ]; do sleep 0.02; done
exec skopeo "$@"
"""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon that is not started, with a directory of three sources and two bad ones."""
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        side = directory / "side"
        side.mkdir()
        packed = busybox.archive(directory / "busybox.tar").read_bytes()
        (side / "1:busybox.tar.zst").write_bytes(zstandard.compress(packed))
        write_layout_of(
            side / "2-layout",
            [Image([Tar().file("one")]), Image([Tar().file("two")])],
            [{_REF: "r.example/one:1"}, {_REF: "r.example/two:1"}],
        )
        (side / "3-damaged.tar").write_bytes(packed[:700])
        (side / "4-readme").write_text("no archive")
        Image([Tar().file("last")]).write_docker_archive(side / "5.tar", ["r.example/last:1"])
        artifact = Artifact(Layer(b"model", "model.bin"))
        artifact.write_layout(side / "6-artifact", "r.example/artifact:1")
        (side / ".hidden").write_text("not looked at")
        made = Daemon(directory, 4, **{"image.preload_dir": str(side)})
        try:
            yield made
        finally:
            made.end()


def times(daemon: Daemon, text: str) -> int:
    return daemon.log.read_text().count(text)


async def names(cri: Cri) -> dict[str, bool]:
    """Return each image's first name ("" without one), and whether it is pinned."""
    images = (await cri.image.ListImages(api.ListImagesRequest())).images
    return {"".join(image.repo_tags[:1]): image.pinned for image in images}


NAMES = (busybox.NAME, *(f"r.example/{name}:1" for name in ("one", "two", "last", "artifact")))
ALL = dict.fromkeys(NAMES, True)


async def test_the_first_pod_waits_for_the_images(daemon: Daemon) -> None:
    gate, skopeo = daemon.directory / "gate", daemon.directory / "skopeo"
    skopeo.write_text(GATE.format(gate=gate))
    skopeo.chmod(0o755)
    daemon.settings["image.skopeo_path"] = str(skopeo)
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert await names(cri) == {}

        pod = asyncio.ensure_future(cri.run_pod())
        assert not (await asyncio.wait([pod], timeout=1))[0]
        gate.touch()

        container = await cri.run(await pod, ["sleep", "60"])
        assert await cri.sh(container, "echo alive") == "alive\n"
        assert await names(cri) == ALL
        await cri.remove_all()


async def test_what_is_bad_is_one_warning_and_the_rest_is_loaded(daemon: Daemon) -> None:
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run_pod()

        assert await names(cri) == ALL
        await cri.remove_all()
    assert times(daemon, "3-damaged.tar is not loaded: ") == 1
    assert times(daemon, "4-readme is not loaded: ") == 1
    assert times(daemon, "is not loaded") == 2
    assert times(daemon, "Traceback") == 0


async def test_what_is_unchanged_is_not_loaded_again(daemon: Daemon) -> None:
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run_pod()
        await cri.remove_all()
        await shown(cri, "image", "rm", "r.example/last:1")
        await shown(cri, "image", "tag", "r.example/one:1", "r.example/two:1")  # it moves
    daemon.stop()
    side = daemon.directory / "side"
    changed = Image([Tar().file("changed")])
    changed.write_docker_archive(side / "3-damaged.tar", ["r.example/mended:1"])
    shutil.rmtree(side / "2-layout")
    (side / "4-readme").unlink()
    before = daemon.log.read_text()
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run_pod()

        found = await names(cri)
        await cri.remove_all()

    # What is gone from the directory stays on the node, and is not pinned any more.
    assert (found.pop("r.example/one:1"), found.pop("")) == (False, False)
    still = ("r.example/mended:1", "r.example/last:1", "r.example/artifact:1")
    assert found == dict.fromkeys((busybox.NAME, *still), True)
    log = daemon.log.read_text().removeprefix(before)
    assert "1:busybox" not in log
    assert log.count("loaded ") == 2


async def test_a_start_without_the_directory_serves(daemon: Daemon) -> None:
    shutil.rmtree(daemon.directory / "side")
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run_pod()
        await cri.remove_all()
    assert times(daemon, "image.preload_dir") == 1


async def test_a_load_interrupted_by_the_daemons_death_continues_at_the_next_start(
    daemon: Daemon,
) -> None:
    plan = daemon.directory / "plan"
    plan.write_text("images.preload.entry kill\n")
    daemon.env = {"CRI_SHIM_FAULTS": str(plan)}
    with contextlib.suppress(AssertionError):  # it may die before it listens, or just after
        daemon.start()
    daemon.wait_dead()
    plan.unlink()
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        await cri.run_pod()
        assert await names(cri) == ALL
        await cri.remove_all()


async def test_a_stop_does_not_wait_for_a_running_load(daemon: Daemon) -> None:
    gate, skopeo = daemon.directory / "gate", daemon.directory / "skopeo"
    skopeo.write_text(GATE.format(gate=gate))
    skopeo.chmod(0o755)
    daemon.settings["image.skopeo_path"] = str(skopeo)
    daemon.start()
    began = os.times().elapsed

    daemon.stop()

    assert os.times().elapsed - began < 5
    assert list((daemon.root / "images" / "layouts").iterdir()) == []
