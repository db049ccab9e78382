"""A gate on a real gRPC server: who calls is known, and what a socket does not allow is refused."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from cri_shim import verbs
from cri_shim.activity import caller
from cri_shim.activity.peer import Peer
from cri_shim.errors import PermissionDenied, StateError
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import boundary, gate
from cri_shim.rpc.client import Client
from cri_shim.rpc.doors import Doors
from cri_shim.rpc.gate import Gate, Place
from cri_shim.rpc.guard import Guard
from cri_shim.rpc.peers import Access, Peers
from cri_shim.rpc.sockets import Door

BIG = 3 << 20  # bytes of an answer: many times a socket's buffer


class Runtime:
    def __init__(self) -> None:
        self.peers: list[Peer | None] = []

    async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
        call = caller.current()
        self.peers.append(None if call is None else call.peer)
        return api.VersionResponse(version="0.1.0")

    async def StopContainer(self, request: api.StopContainerRequest) -> api.StopContainerResponse:
        return api.StopContainerResponse()

    async def ExecSync(self, request: api.ExecSyncRequest) -> api.ExecSyncResponse:
        return api.ExecSyncResponse(stdout=bytes(BIG))

    async def GetContainerEvents(
        self, request: api.GetEventsRequest
    ) -> AsyncIterator[api.ContainerEventResponse]:
        for number in range(1000):
            yield api.ContainerEventResponse(container_id=str(number))


class Yard:
    def __init__(self, directory: Path) -> None:
        self.main, self.watch = directory / "cri.sock", directory / "watch.sock"
        self.private = directory / "rpc"
        self.runtime, self.peers = Runtime(), Peers()

    def access(self, role: str = "read-only", **more: frozenset[int]) -> Access:
        return Access(self.watch, role, verbs.of_role(role), **more)

    def make(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        around = boundary.Surroundings(guard=Guard(self.peers, None))
        known = api.DESCRIPTOR.services_by_name["RuntimeService"]
        boundary.add(server, known, self.runtime, around)
        return server

    @asynccontextmanager
    async def serving(
        self, access: Access | None = None, *, gated: bool = False, mode: int = 0o640
    ) -> AsyncIterator[None]:
        doors = [Door(Place(self.watch, mode), access)] if access else []
        serving = Doors(self.main, self.private, self.make, self.peers, doors=doors, gated=gated)
        await serving.open()
        try:
            yield
        finally:
            await serving.close(0)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def test_the_peer_of_a_call_is_the_process_that_connected(yard: Yard) -> None:
    async with yard.serving(gated=True), Client(yard.main) as client:
        await client.runtime.Version(api.VersionRequest())
    (peer,) = yard.runtime.peers
    assert peer is not None
    assert (peer.uid, peer.gid, peer.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert peer.program == str(Path("/proc/self/exe").readlink())
    assert peer.socket == str(yard.main)


async def test_without_a_gate_the_socket_is_grpcs_own(yard: Yard) -> None:
    async with yard.serving(), Client(yard.main) as client:
        await client.runtime.Version(api.VersionRequest())
        assert not yard.private.exists()
    assert yard.runtime.peers == [None]


async def test_a_read_only_socket_refuses_a_change_and_names_socket_and_role(yard: Yard) -> None:
    async with yard.serving(yard.access()), Client(yard.watch) as client:
        await client.runtime.Version(api.VersionRequest())
        with pytest.raises(PermissionDenied) as refused:
            await client.runtime.StopContainer(api.StopContainerRequest(container_id="c"))
    text = str(refused.value)
    assert text.startswith(f"StopContainer is not allowed on {yard.watch}, whose role is read-only")


async def test_the_cri_socket_may_do_everything_beside_one_with_a_role(yard: Yard) -> None:
    async with yard.serving(yard.access(), gated=True), Client(yard.main) as client:
        await client.runtime.StopContainer(api.StopContainerRequest(container_id="c"))


async def test_a_user_who_is_not_in_the_list_is_refused(yard: Yard) -> None:
    access = yard.access(uids=frozenset({os.geteuid() + 1}))
    async with yard.serving(access), Client(yard.watch) as client:
        with pytest.raises(PermissionDenied, match=f"user {os.geteuid()} may not use"):
            await client.runtime.Version(api.VersionRequest())


@pytest.mark.parametrize("group", [os.getegid(), *os.getgroups()[-1:]])
async def test_a_member_of_a_listed_group_is_let_in(yard: Yard, group: int) -> None:
    access = yard.access(gids=frozenset({group}), uids=frozenset({os.geteuid() + 1}))
    async with yard.serving(access), Client(yard.watch) as client:
        await client.runtime.Version(api.VersionRequest())


async def test_the_file_of_a_socket_has_its_mode(yard: Yard) -> None:
    async with yard.serving(yard.access(), gated=True, mode=0o604):
        assert stat.S_IMODE(yard.watch.stat().st_mode) == 0o604
        assert stat.S_IMODE(yard.main.stat().st_mode) == 0o660
        assert stat.S_IMODE(yard.private.stat().st_mode) == 0o700
    assert not yard.watch.exists()
    assert not yard.main.exists()


async def test_large_answers_and_streams_pass_whole(yard: Yard) -> None:
    async with yard.serving(gated=True), Client(yard.main) as client:
        answers = await asyncio.gather(
            *(client.runtime.ExecSync(api.ExecSyncRequest(container_id="c")) for _ in range(4))
        )
        events = [e.container_id async for e in client.runtime.GetContainerEvents(
            api.GetEventsRequest()
        )]  # fmt: skip
    assert [len(answer.stdout) for answer in answers] == [BIG] * 4
    assert events == [str(number) for number in range(1000)]


async def test_connections_of_strangers_are_bounded(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MOST", 2)
    async with yard.serving(yard.access()):
        clients = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for each in clients:
            each.connect(str(yard.watch))
            each.settimeout(10)
        dropped = 0
        for each in clients[2:]:
            dropped += await asyncio.to_thread(each.recv, 1) == b""
        for each in clients:
            each.close()
        async with asyncio.timeout(10), Client(yard.watch) as client:
            await client.runtime.Version(api.VersionRequest(), timeout=10)
    assert dropped == 3


async def test_a_client_that_sends_no_http_harms_nobody(yard: Yard) -> None:
    async with yard.serving(yard.access()):
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000)):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(yard.watch))
                stranger.sendall(data)
        async with Client(yard.watch) as client:
            await client.runtime.Version(api.VersionRequest())


async def test_nothing_of_a_connection_is_left(yard: Yard) -> None:
    async with yard.serving(yard.access(), gated=True):
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for _ in range(3):
            async with Client(yard.watch) as client:
                await client.runtime.Version(api.VersionRequest())
        async with asyncio.timeout(10):
            while yard.peers._named or len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110, PTH208
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"owner": "nobody-at-all"}, "there is no user 'nobody-at-all'"),
        ({"group": "nobody-at-all"}, "there is no group 'nobody-at-all'"),
    ],
)
async def test_a_socket_that_cannot_be_made_is_named(
    yard: Yard, place: dict[str, str], reason: str
) -> None:
    made = Gate(Place(yard.watch, **place), yard.access(), yard.main, yard.peers)  # type: ignore[arg-type]
    with pytest.raises(StateError, match=f"cannot serve on the socket {yard.watch}: {reason}"):
        made.open()


async def test_of_a_socket_whose_owner_cannot_be_set_nothing_is_left(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(StateError, match=f"{yard.watch}: Operation not permitted"):
        Gate(Place(yard.watch), yard.access(), yard.main, yard.peers).open()
    assert not yard.watch.exists()


async def test_a_socket_that_is_in_use_is_not_taken(yard: Yard) -> None:
    async with yard.serving(yard.access()):
        other = Yard(yard.main.parent / "other")
        other.watch = yard.watch
        with pytest.raises(StateError, match="another program serves on"):
            async with other.serving(other.access()):
                """It does not come here."""
        assert not other.main.exists()
