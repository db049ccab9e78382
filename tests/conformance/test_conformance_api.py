"""RPCs and fields that critest never uses and that no other file tests."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from cri_shim.errors import NotFound, Unimplemented, WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.busybox import NAME
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("CheckpointContainer", api.CheckpointContainerRequest(container_id="c" * 64)),
        ("CheckpointPod", api.CheckpointPodRequest(pod_sandbox_id="c" * 64)),
        ("RestorePod", api.RestorePodRequest()),
    ],
)
async def test_an_unserved_rpc_is_unimplemented_by_name(cri: Cri, rpc: str, request_: Any) -> None:
    with pytest.raises(Unimplemented, match=f"unknown method {rpc} for service"):
        await getattr(cri.runtime, rpc)(request_)


async def test_the_features_of_the_runtime_are_listed(cri: Cri) -> None:
    features = (await cri.runtime.Status(api.StatusRequest())).features

    assert features == api.RuntimeFeatures(
        supplemental_groups_policy=True, mount_options=True, user_namespaces_host_network=True
    )


async def test_the_requested_image_name_is_kept(cri: Cri) -> None:
    answer = await cri.image.ImageStatus(api.ImageStatusRequest(image=api.ImageSpec(image=NAME)))
    config = container_config(["true"], image=answer.image.id)
    config.image.user_specified_image = NAME

    container = await cri.create(await cri.run_pod(), config)

    status = await cri.status(container)
    assert (status.image.user_specified_image, status.image.image) == (NAME, NAME)
    assert status.image_id == answer.image.id


@pytest.fixture
def lone_daemon() -> Iterator[Daemon]:
    """A daemon whose subnets may be changed."""
    with private_daemon(3) as started:
        yield started


async def test_new_pods_have_addresses_of_the_nodes_new_subnets_and_old_ones_keep_theirs(
    lone_daemon: Daemon,
) -> None:
    subnets = ["10.231.7.0/24", "fd00:7::/64"]
    config = api.RuntimeConfig(network_config=api.NetworkConfig(pod_cidr=",".join(subnets)))
    async with Client(lone_daemon.socket) as client:
        cri = Cri(lone_daemon, client)
        old = await cri.run_pod()
        before = (await cri.pod_status(old)).network.ip

        await client.runtime.UpdateRuntimeConfig(
            api.UpdateRuntimeConfigRequest(runtime_config=config)
        )

        network = (await cri.pod_status(await cri.run_pod())).network
        kept = (await cri.pod_status(old)).network.ip
        await cri.remove_all()

    given = [network.ip, *(more.ip for more in network.additional_ips)]
    assert kept == before
    for address, subnet in zip(given, subnets, strict=True):
        assert ipaddress.ip_address(address) in ipaddress.ip_network(subnet)
    assert lone_daemon.traces() == []


async def test_the_sums_of_a_pod_that_is_not_ready_or_not_there_cannot_be_changed(
    cri: Cri,
) -> None:
    pod = await cri.run_pod()
    await cri.stop_pod(pod)

    with pytest.raises(WrongState, match="is not ready"):
        await cri.runtime.UpdatePodSandboxResources(
            api.UpdatePodSandboxResourcesRequest(pod_sandbox_id=pod)
        )
    with pytest.raises(NotFound):
        await cri.runtime.UpdatePodSandboxResources(
            api.UpdatePodSandboxResourcesRequest(pod_sandbox_id="f" * 64)
        )
