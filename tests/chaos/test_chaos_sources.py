"""Sources of mounts, which are mounted in the bundle during a start."""

from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig
from tests.fixtures.cri import container_config


@pytest.mark.parametrize("point", ["containers.start.sources", "oci.create.spawn", "oci.create.go"])
async def test_a_start_interrupted_by_the_daemons_death_keeps_no_volume_busy(
    rig: Rig, tmp_path: Path, point: str
) -> None:
    (tmp_path / "file").touch()
    pod = await rig.cri.run_pod()
    mounted = api.Mount(host_path=str(tmp_path), container_path="/data")
    container = await rig.cri.create(pod, container_config(["sleep", "600"], mounts=[mounted]))
    rig.order(point, "kill")
    with pytest.raises(CriShimError):
        await rig.cri.start(container)
    rig.pardon()
    await rig.restart()
    if point == "oci.create.go":  # the container was made: the next daemon completes its start
        assert await rig.cri.sh(container, "ls /data") == "file\n"
    else:
        status = await rig.cri.exited(container)
        assert (status.reason, status.exit_code) == ("StartError", 128)
    bundle = rig.daemon.run_root / "containers" / container
    await rig.until(lambda: mounts.mounts_below(bundle / "sources") == [])
    await rig.cri.remove(container)
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("point", ["containers.start.record", "containers.start.start"])
async def test_a_start_completed_by_the_next_daemon_keeps_no_volume_busy(
    rig: Rig, tmp_path: Path, point: str
) -> None:
    pod = await rig.cri.run_pod()
    mounted = api.Mount(host_path=str(tmp_path), container_path="/data")
    container = await rig.cri.create(pod, container_config(["sleep", "600"], mounts=[mounted]))
    rig.order(point, "kill")
    with pytest.raises(CriShimError):
        await rig.cri.start(container)
    rig.pardon()
    await rig.restart()
    bundle = rig.daemon.run_root / "containers" / container
    await rig.until(lambda: mounts.mounts_below(bundle / "sources") == [])
    assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
    assert await rig.cri.sh(container, "touch /data/file") == ""
