"""Sessions with a real daemon, by clients that the tests control."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.streams import Spdy, Talker, Tunnel

Open = Callable[..., Awaitable[Talker]]


class Forwarder:
    """A client of one session; each `connect` is one forwarded connection."""

    def __init__(self, wire: Spdy) -> None:
        self.wire = wire
        self._next = 0

    async def connect(self, port: int) -> tuple[int, int]:
        """Error and data stream of a new connection."""
        headers = {"port": str(port), "requestid": str(self._next)}
        self._next += 1
        error = await self.wire.stream(streamtype="error", **headers)
        await self.wire.send(error, b"", fin=True)
        return error, await self.wire.stream(streamtype="data", **headers)

    async def until(self, stream: int, words: bytes) -> None:
        await self.wire.read_until(lambda: words in self.wire.received[stream])
        assert words in self.wire.received[stream]

    async def until_done(self, *streams: int) -> None:
        await self.wire.read_until(lambda: self.wire.done.issuperset(streams))
        assert self.wire.done.issuperset(streams)


Forward = Callable[[str], Awaitable[Forwarder]]


@pytest.fixture(params=["spdy", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def pod(cri: Cri) -> str:
    return await cri.run_pod()


@pytest.fixture
async def container(cri: Cri, pod: str) -> str:
    return await cri.run(pod, ["sleep", "1000"])


@pytest.fixture
async def talkers() -> AsyncIterator[list[Talker]]:
    made: list[Talker] = []
    yield made
    for talker in made:
        talker.close()


def _streams(stdin: bool, tty: bool) -> list[str]:
    wanted = {"stdin": stdin, "stdout": True, "stderr": not tty, "resize": tty}
    return [name for name, there in wanted.items() if there]


@pytest.fixture
def exec(cri: Cri, transport: str, talkers: list[Talker]) -> Open:
    """Exec in a container: await exec(container, "sh", "-c", ..., stdin=True)."""

    async def open(
        container: str, *command: str, stdin: bool = False, tty: bool = False, protocol: str = ""
    ) -> Talker:
        asked = api.ExecRequest(
            container_id=container, cmd=command, stdin=stdin, stdout=True, stderr=not tty, tty=tty
        )
        url = (await cri.runtime.Exec(asked)).url
        streams = _streams(stdin, tty)
        talkers.append(await Talker.open(transport, url, *streams, protocol=protocol))
        return talkers[-1]

    return open


@pytest.fixture
def attach(cri: Cri, transport: str, talkers: list[Talker]) -> Open:
    """Attach to a container: await attach(container, stdin=True)."""

    async def open(container: str, *, stdin: bool = False, tty: bool = False) -> Talker:
        asked = api.AttachRequest(
            container_id=container, stdin=stdin, stdout=True, stderr=not tty, tty=tty
        )
        url = (await cri.runtime.Attach(asked)).url
        talkers.append(await Talker.open(transport, url, *_streams(stdin, tty)))
        return talkers[-1]

    return open


@pytest.fixture
async def forward(cri: Cri, transport: str) -> AsyncIterator[Forward]:
    """await forward(pod) opens a session."""
    made: list[Spdy] = []

    async def open(pod: str) -> Forwarder:
        url = (await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url
        opener = Tunnel.open_tunnel if transport == "websocket" else Spdy.open
        made.append(await opener(url, "portforward.k8s.io"))
        return Forwarder(made[-1])

    yield open
    for wire in made:
        wire.close()
