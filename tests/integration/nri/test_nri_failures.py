"""Plugins that hang, die, lie or are wrong: requests go on, and nothing is left."""

import asyncio
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.nri_plugin import FakePlugin
from tests.integration.nri.conftest import Connect, settings

SLEEP = ["sleep", "60"]
REQUEST_S = 3.0


@pytest.fixture(scope="module")
def daemon(place: Path) -> Iterator[Daemon]:
    limits = {"nri.request_timeout": REQUEST_S, "nri.registration_timeout": REQUEST_S}
    with private_daemon(0, **settings(place, **limits)) as started:
        yield started


@pytest.mark.parametrize(
    "method", ["RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer"]
)
async def test_a_plugin_that_hangs_is_disconnected_and_fails_nothing(
    cri: Cri, connect: Connect, method: str
) -> None:
    async with connect(**{method: None}) as plugin:
        pod = await cri.run_pod()
        container = await cri.run(pod, SLEEP)
        await cri.stop(container)
        await plugin.ended.wait()
    assert (await cri.status(container)).exit_code == 137


async def test_a_plugin_that_hangs_may_fail_the_request(cri: Cri, connect: Connect) -> None:
    policy = pb.FailurePolicy(fail_request=True, keep_connected=True)
    configured = pb.ConfigureResponse(failure_policy=policy)
    pod = await cri.run_pod()
    async with connect(Configure=configured, CreateContainer=None) as plugin:
        with pytest.raises(ToolFailed, match="10-fake failed at CreateContainer: did not answer"):
            await cri.create(pod, container_config(SLEEP))
        assert not plugin.ended.is_set()
    assert await cri.containers(pod_sandbox_id=pod) == []


async def test_lists_do_not_wait_for_a_plugin_that_hangs(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    async with connect(CreateContainer=None) as plugin:
        creating = asyncio.create_task(cri.create(pod, container_config(SLEEP)))
        await plugin.until("CreateContainer")
        assert await cri.pods() == [pod]
        assert not creating.done()
        await creating


async def test_a_plugin_that_dies_in_a_call_fails_nothing(cri: Cri, place: Path) -> None:
    pod = await cri.run_pod()
    plugin = FakePlugin()
    plugin.answers["CreateContainer"] = None
    async with plugin.connected(place / "nri.sock"):
        creating = asyncio.create_task(cri.create(pod, container_config(SLEEP)))
        await plugin.until("CreateContainer")
    await creating


async def test_garbage_on_the_socket_disturbs_no_other_plugin(
    cri: Cri, place: Path, connect: Connect
) -> None:
    noise = [os.urandom(512), b"GET / HTTP/1.1\r\n\r\n", struct.pack(">II", 1, 1 << 31), b""]
    async with connect() as good:
        for data in noise:
            async with FakePlugin().unregistered(place / "nri.sock") as bad:
                await bad.send(data)
                await bad.ended.wait()
        await cri.run_pod()
        assert "RunPodSandbox" in good.methods


async def test_many_silent_connections_do_not_keep_a_plugin_out(
    cri: Cri, place: Path, connect: Connect
) -> None:
    silent = [FakePlugin() for _ in range(100)]
    places = [plugin.unregistered(place / "nri.sock") for plugin in silent]
    for each in places:
        await each.__aenter__()
    try:
        for plugin in silent:
            await plugin.ended.wait()
        async with connect():
            pass
    finally:
        for each in places:
            await each.__aexit__(None, None, None)


async def test_validators_reject_with_their_reason(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    adjust = pb.CreateContainerResponse(
        adjust=pb.ContainerAdjustment(env=[pb.KeyValue(key="A", value="1")])
    )
    rejection = pb.ValidateContainerAdjustmentResponse(reject=True, reason="no A here")
    async with connect("10", CreateContainer=adjust):
        async with connect("90", ValidateContainerAdjustment=rejection) as validator:
            with pytest.raises(
                ToolFailed, match="90-fake rejects the adjustments of a container: no A"
            ):
                await cri.create(pod, container_config(SLEEP))
            [asked] = validator.told("ValidateContainerAdjustment")
    told: Any = asked
    assert [(plugin.index, plugin.name) for plugin in told.plugins] == [
        ("10", "fake"),
        ("90", "fake"),
    ]
    owners = told.owners.owners[told.container.id].compound[pb.Env].owners
    assert dict(owners) == {"A": "10-fake"}
    assert "A=1" not in list(told.container.env)
    assert [variable.key for variable in told.adjust.env] == ["A"]
    assert await cri.containers(pod_sandbox_id=pod) == []


async def test_a_validator_that_hangs_rejects(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    async with connect(ValidateContainerAdjustment=None) as validator:
        with pytest.raises(ToolFailed, match="NRI plugin 10-fake failed to validate a container"):
            await cri.create(pod, container_config(SLEEP))
        await validator.ended.wait()
    await cri.create(pod, container_config(SLEEP))
