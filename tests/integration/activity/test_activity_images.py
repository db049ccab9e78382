"""Loading, saving and committing are operations: `info` says what they wait for."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import TimedOut
from cri_shim.pb import control_pb2 as control
from tests.fixtures import busybox
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.integration.activity.conftest import Gate, in_progress, waiting

_SKOPEO = """#!/bin/sh
case "$*" in *" copy "*) while [ -e %(gate)s ]; do sleep 0.05; done ;; esac
exec %(skopeo)s "$@"
"""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def daemon(where: Path) -> Iterator[Daemon]:
    skopeo = where / "skopeo"
    skopeo.write_text(_SKOPEO % {"gate": where / "gate", "skopeo": shutil.which("skopeo")})
    skopeo.chmod(0o755)
    with private_daemon(0, **{"image.skopeo_path": str(skopeo)}) as started:
        yield started


@pytest.fixture
async def archive(cri: Cri, gate: Gate, where: Path) -> Path:
    """An archive of the busybox image, which is not loaded yet; the gate is closed."""
    return busybox.archive(where / "busybox.tar")


async def test_a_load_says_what_it_waits_for(cri: Cri, gate: Gate, archive: Path) -> None:
    request = control.LoadImageRequest(source=str(archive))
    loading = asyncio.ensure_future(cri.control.LoadImage(request))
    operation = await waiting(cri, str(archive), "skopeo, copy of docker-archive:")
    gate.open()
    await loading
    assert (operation["verb"], operation["object"]) == ("LoadImage", f"archive {archive}")
    assert await in_progress(cri) == []


async def test_a_save_says_what_it_waits_for_to_a_caller_that_gives_up(
    cri: Cri, gate: Gate, archive: Path, tmp_path: Path
) -> None:
    gate.open()
    await cri.control.LoadImage(control.LoadImageRequest(source=str(archive)))
    gate.close()
    target = f"docker-archive:{tmp_path}/saved.tar"
    request = control.SaveImageRequest(reference=busybox.NAME, target=target)
    told = rf"^SaveImage of image {busybox.NAME} .*: waiting for skopeo, writing .* ends with this"
    with pytest.raises(TimedOut, match=told):
        await cri.control.SaveImage(request, timeout=4)
    gate.open()
    await cri.control.SaveImage(request)
    assert (tmp_path / "saved.tar").exists()


async def test_a_commit_says_what_it_waits_for(cri: Cri, gate: Gate, archive: Path) -> None:
    gate.open()
    await cri.control.LoadImage(control.LoadImageRequest(source=str(archive)))
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
    await cri.sh(container, "head -c 300000000 /dev/zero >/big")
    commit = control.CommitContainerRequest(container_id=container, name="localhost/new:1")
    committing = asyncio.ensure_future(cri.control.CommitContainer(commit))
    operation = await waiting(cri, "container test/", "its writable layer to be packed")
    await committing
    assert operation["verb"] == "CommitContainer"
