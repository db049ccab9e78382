"""Missing sources of an unprivileged user's mounts: made where the user may, else refused."""

from collections.abc import Iterator

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine
from tests.fixtures.user_pods import on_the_node


@pytest.fixture(scope="module")
def daemon(node: Machine) -> Iterator[UserDaemon]:
    with user_daemon(node, **{"containers.missing_mount_source": "create"}) as started:
        yield started


async def test_a_directory_is_made_where_the_user_may_write(cri: Cri, daemon: UserDaemon) -> None:
    missing = daemon.machine.directory / "home/volume/new"
    asked = api.Mount(container_path="/data", host_path=str(missing))
    pod = await cri.run_pod(on_the_node(daemon))
    container = await cri.run(pod, ["sleep", "1000"], mounts=[asked])
    assert await cri.sh(container, "touch /data/file; stat -c %a:%u /data") == "755:0\n"
    assert (missing / "file").stat().st_uid == daemon.machine.uid


async def test_elsewhere_the_mount_is_refused_with_the_reason(cri: Cri, daemon: UserDaemon) -> None:
    asked = api.Mount(container_path="/data", host_path="/usr/share/cst-new")
    config = container_config(["true"], mounts=[asked])
    with pytest.raises(InvalidArgument, match=r"host_path: .* and cannot be made: Permission"):
        await cri.create(await cri.run_pod(on_the_node(daemon)), config)
