"""Sessions end when their container or pod is removed."""

from collections.abc import Iterator

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.daemon import Daemon
from tests.fixtures.host import processes, until
from tests.fixtures.streams import Spdy, Talker, Tunnel

TRANSPORTS = ["spdy", "websocket"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_exec_and_attach_end_when_their_pod_is_removed(rig: Rig, transport: str) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "7421"], stdin=True)
    exec = api.ExecRequest(container_id=container, cmd=["sleep", "7422"], stdin=True, stdout=True)
    attach = api.AttachRequest(container_id=container, stdin=True, stdout=True)
    urls = [(await rig.cri.runtime.Exec(exec)).url, (await rig.cri.runtime.Attach(attach)).url]
    command, attached = [await Talker.open(transport, url, "stdin", "stdout") for url in urls]
    await until(lambda: processes("sleep", "7422"))
    await rig.cri.remove_pod(pod)
    assert await command.code() == 137
    assert (await attached.status())["status"] == "Success"
    assert processes("sleep", "7422") == []
    command.close()
    attached.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_port_forward_ends_when_its_pod_is_removed(rig: Rig, transport: str) -> None:
    pod = await rig.cri.run_pod()
    url = (await rig.cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url
    opener = Tunnel.open_tunnel if transport == "websocket" else Spdy.open
    wire = await opener(url, "portforward.k8s.io")
    await rig.cri.remove_pod(pod)
    await wire.read_until(lambda: False)
    wire.close()


async def test_a_url_of_a_removed_pod_gets_an_error(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    asked = api.ExecRequest(container_id=container, cmd=["true"], stdout=True)
    url = (await rig.cri.runtime.Exec(asked)).url
    await rig.cri.remove_pod(pod)
    talker = await Talker.open("websocket", url, "stdout")
    assert (await talker.status())["status"] == "Failure"
    talker.close()
