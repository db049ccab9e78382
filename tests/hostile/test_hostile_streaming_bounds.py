"""Limits of the sessions, descriptors and bytes that clients can use."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from cri_shim.streaming.connection import FAIR_OUTPUT
from cri_shim.streaming.memory import TOTAL_OUTPUT
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.host import resident
from tests.fixtures.streams import Spdy, Talker, Tunnel

FEW = {"streaming.max_sessions_per_pod": 3, "streaming.max_sessions": 5}
SOFT, HARD = 1024, 4096
ULIMIT = "ulimit -Sn; ulimit -Hn"
SMALL = 256  # descriptors, of a daemon that has too few
PAIRS = 240  # forwarded connections of one session
CHUNK = bytes(64 << 10)
MOST = 16 << 20  # bytes that the daemon may grow by, whatever one session sends
SAID = 60_000_000  # bytes
WATCHERS = 12


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(4, **FEW) as started:
        yield started


@pytest.fixture(scope="module")
def raised() -> Iterator[Daemon]:
    """A daemon that was given less descriptors than it may have."""
    with private_daemon(5) as started:
        yield again(started, SOFT, HARD)


@pytest.fixture(scope="module")
def poor() -> Iterator[Daemon]:
    """A daemon that may have few descriptors."""
    with private_daemon(6) as started:
        yield again(started, SMALL, SMALL)


def again(daemon: Daemon, soft: int, hard: int) -> Daemon:
    """Start it again with these limits of descriptors."""
    daemon.stop()
    daemon.wrapper = ["prlimit", f"--nofile={soft}:{hard}"]
    daemon.start()
    return daemon


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def calls(daemon: Daemon, closing: AsyncExitStack) -> Cri:
    """Calls to a daemon; at the end every pod is removed."""
    cri = Cri(daemon, await closing.enter_async_context(Client(daemon.socket)))
    closing.push_async_callback(cri.remove_all)
    return cri


async def exec_url(cri: Cri, container: str, *command: str) -> str:
    asked = api.ExecRequest(
        container_id=container, cmd=command, stdin=True, stdout=True, stderr=True
    )
    return str((await cri.runtime.Exec(asked)).url)


async def talker(
    cri: Cri, container: str, closing: AsyncExitStack, *command: str, transport: str = "spdy"
) -> Talker:
    url = await exec_url(cri, container, *command)
    made = await Talker.open(transport, url, "stdin", "stdout", "stderr")
    closing.callback(made.close)
    return made


# -- sessions -----------------------------------------------------------------------------------


async def test_the_sessions_of_a_pod_are_bounded_and_ended_ones_do_not_count(
    cri: Cri, closing: AsyncExitStack
) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    held = [await talker(cri, container, closing, "cat") for _ in range(2)]
    url = await exec_url(cri, container, "true")  # an issued URL has its slot
    attach = api.AttachRequest(container_id=container, stdout=True)
    for asked in (
        exec_url(cri, container, "true"),
        cri.runtime.Attach(attach),
        cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod)),
    ):
        with pytest.raises(ResourceExhausted, match=rf"\({pod[:12]}\) .*max_sessions_per_pod"):
            await asked
    last = await Talker.open("spdy", url, "stdin", "stdout", "stderr")
    closing.callback(last.close)
    assert await last.code() == 0
    last.close()
    held[0].close()
    assert await (await talker_once_free(cri, container, closing)).code() == 0


async def talker_once_free(cri: Cri, container: str, closing: AsyncExitStack) -> Talker:
    """Ask until there is a place: a session ends a moment after its client."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await talker(cri, container, closing, "true")
            except ResourceExhausted:
                await asyncio.sleep(0.02)


async def test_the_sessions_of_a_node_are_bounded(cri: Cri, closing: AsyncExitStack) -> None:
    containers = [await cri.run(await cri.run_pod(), ["sleep", "1000"]) for _ in range(2)]
    for container in (*containers, *containers, containers[0]):
        await talker(cri, container, closing, "cat")
    with pytest.raises(ResourceExhausted, match=r"5 streaming sessions on this node.*max_sessions"):
        await exec_url(cri, containers[1], "true")


# -- descriptors --------------------------------------------------------------------------------


def limits(pid: int) -> list[str]:
    """Soft and hard limit of open files of a process."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max open files")).split()[3:5]


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_the_daemon_has_more_descriptors_and_containers_have_as_many_as_ever(
    raised: Daemon, closing: AsyncExitStack, handler: str
) -> None:
    cri = await calls(raised, closing)
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "1000"])
    old = [str(SOFT), str(HARD)]
    assert limits(raised.pid) == [str(HARD), str(HARD)]
    info = await cri.info(container)
    assert limits(info["pid"]) == old
    stat = Path(f"/proc/{info['pid']}/stat").read_text()
    assert limits(int(stat.rpartition(")")[2].split()[1])) == old  # of its conmon
    # Before 1.1.13 runc raises its own soft limit, and may leave it to what it executes.
    possible = [old] if handler == "crun" else [old, [str(HARD), str(HARD)]]
    assert (await cri.sh(container, ULIMIT)).split() in possible
    session = await talker(cri, container, closing, "sh", "-c", ULIMIT)
    assert await session.code() == 0
    assert session.text("stdout").decode().split() in possible


async def test_sessions_leave_descriptors_for_pods(poor: Daemon, closing: AsyncExitStack) -> None:
    cri = await calls(poor, closing)
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
    with pytest.raises(
        ResourceExhausted, match=r"no descriptor is left for a session.*LimitNOFILE"
    ):
        while True:
            await talker(cri, container, closing, "cat")
    assert await cri.sh(container, "echo well") == "well\n"
    await cri.run(await cri.run_pod(), ["sleep", "1000"])


async def test_connections_leave_descriptors_for_pods(
    poor: Daemon, closing: AsyncExitStack
) -> None:
    cri = await calls(poor, closing)
    pod = await cri.run_pod()
    listening = await full(cri, pod)
    closing.callback(listening.close)
    session = await forwarding(cri, pod, closing)
    port = listening.getsockname()[1]
    reset: set[int] = set()
    for _ in range(SMALL):
        await open_pair(session, port)
        reset = session.resets
    assert reset
    await cri.run(await cri.run_pod(), ["sleep", "1000"])
    assert f"({pod[:12]}): its new connections are refused" in poor.log.read_text()


# -- memory -------------------------------------------------------------------------------------


async def full(cri: Cri, pod: str) -> socket.socket:
    """A socket in the pod that listens, and whose backlog is full."""
    netns = Path((await cri.pod_info(pod))["netns"])

    def listen() -> socket.socket:
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        made.listen(0)
        return made

    return nsenter.in_netns(netns, listen)


async def forwarding(cri: Cri, pod: str, closing: AsyncExitStack, transport: str = "spdy") -> Spdy:
    url = (await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url
    opener = Tunnel.open_tunnel if transport == "tunnel" else Spdy.open
    session = await opener(url, "portforward.k8s.io")
    closing.callback(session.close)
    return session


async def open_pair(session: Spdy, port: int) -> int:
    """The data stream of a new connection."""
    pair = {"port": str(port), "requestid": str(len(session.replied) + len(session.resets))}
    await session.stream(streamtype="error", **pair)
    return await session.stream(streamtype="data", **pair)


@pytest.mark.parametrize("transport", ["spdy", "tunnel"])
async def test_buffered_bytes_for_a_pod_are_bounded_for_each_session(
    cri: Cri, closing: AsyncExitStack, transport: str
) -> None:
    pod = await cri.run_pod()
    listening = await full(cri, pod)
    closing.callback(listening.close)
    session = await forwarding(cri, pod, closing, transport)
    streams = [await open_pair(session, listening.getsockname()[1]) for _ in range(PAIRS)]
    before = resident(cri.daemon.pid)
    with pytest.raises(TimeoutError):  # it is no longer read
        async with asyncio.timeout(5):
            while True:
                for stream in streams:
                    await session.send(stream, CHUNK)
    assert resident(cri.daemon.pid) - before < MOST


async def test_a_throttled_session_continues_when_the_pod_reads(
    cri: Cri, closing: AsyncExitStack
) -> None:
    pod = await cri.run_pod()
    listening = await full(cri, pod)
    listening.setblocking(False)
    closing.callback(listening.close)
    session = await forwarding(cri, pod, closing)
    data = await open_pair(session, listening.getsockname()[1])
    loop = asyncio.get_running_loop()
    pod_side, _ = await loop.sock_accept(listening)
    closing.callback(pod_side.close)
    sent = 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            while True:
                await session.send(data, CHUNK)
                sent += len(CHUNK)
    got = 0
    async with asyncio.timeout(20):
        while got < sent:
            got += len(await loop.sock_recv(pod_side, 1 << 20))
    assert got >= sent


async def test_buffered_bytes_for_clients_that_do_not_read_are_bounded(
    raised: Daemon, closing: AsyncExitStack
) -> None:
    cri = await calls(raised, closing)
    script = f"read x; exec head -c {SAID} /dev/zero"
    container = await cri.run(
        await cri.run_pod(), ["sh", "-c", script], stdin=True, stdin_once=True
    )
    asked = api.AttachRequest(container_id=container, stdin=True, stdout=True, stderr=True)
    watching = []
    for _ in range(WATCHERS):
        url = (await cri.runtime.Attach(asked)).url
        watching.append(await Talker.open("spdy", url, "stdin", "stdout", "stderr"))
        closing.callback(watching[-1].close)
    before = resident(raised.pid)
    await watching[0].send(b"go\n")
    await cri.exited(container, limit=60)
    assert resident(raised.pid) - before < TOTAL_OUTPUT + WATCHERS * FAIR_OUTPUT + MOST
