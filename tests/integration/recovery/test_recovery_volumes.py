"""Image volumes of containers that were created before the daemon ended hard."""

from collections.abc import Iterator

import pytest

from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon

VOLUME = api.Mount(
    container_path="/vol",
    readonly=True,
    image=api.ImageSpec(image=busybox.NAME),
    image_sub_path="etc",
)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for each test: a restarted one is another process."""
    with private_daemon() as started:
        yield started


async def test_a_created_container_has_its_volumes_again_after_a_hard_end(cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.create(pod, container_config(["sleep", "60"], mounts=[VOLUME]))
    cri.daemon.kill()
    for path in mounts.mounts_below(cri.daemon.run_root / "containers"):
        mounts.unmount(path)
    cri.daemon.start()
    async with Client(cri.daemon.socket) as client:
        again = Cri(cri.daemon, client)
        await again.start(container)
        assert "root:" in await again.sh(container, "cat /vol/passwd")
        (told,) = (await again.status(container)).mounts
        assert told.image.image_ref == (await again.status(container)).image_id
