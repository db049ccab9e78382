"""Sessions over the control service."""

from collections.abc import Iterable
from typing import Any, cast

from cri_shim.activity.peer import Peer
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.control_sessions import ControlSessions
from cri_shim.streaming.register import Client, Running
from cri_shim.work import ExecSyncs


class Quiet:
    def quiet(self) -> float:
        return 7.5


class Streams:
    def __init__(self) -> None:
        self.ended: list[str] = []

    def sessions(self) -> Iterable[Running]:
        peer = Peer(1, 2, 3, "/usr/bin/x", "/run/s")
        client = cast(Client, Quiet())
        yield Running("a1", "exec", "p", "c", "container n/p/c", peer, client)
        yield Running("b2", "portforward", "p", "", "pod n/p", None, client)

    def end_session(self, id: str) -> None:
        self.ended.append(id)


class Engine:
    def __init__(self) -> None:
        self.work = self
        self.exec_syncs = ExecSyncs()


def made() -> tuple[ControlSessions, Any]:
    service = ControlSessions()
    service._engine, service._streams = cast(Any, Engine()), cast(Any, Streams())
    return service, service._engine


async def test_sessions_are_listed_with_who_asked_and_probes_apart() -> None:
    service, engine = made()
    with engine.work.exec_syncs.counted(), engine.work.exec_syncs.counted():
        answer = await service.ListSessions(control.ListSessionsRequest())
    one, other = answer.sessions
    assert (one.id, one.purpose, one.name, one.quiet_s) == ("a1", "exec", "container n/p/c", 7.5)
    assert (one.peer.pid, one.peer.program, one.started_at > 0) == (3, "/usr/bin/x", True)
    assert not other.HasField("peer")
    assert (answer.exec_syncs_running, answer.exec_syncs_begun) == (2, 2)
    after = await service.ListSessions(control.ListSessionsRequest())
    assert (after.exec_syncs_running, after.exec_syncs_begun) == (0, 2)


async def test_a_session_is_ended_by_its_id() -> None:
    service, _ = made()
    await service.EndSession(control.EndSessionRequest(id="a1"))
    assert cast(Any, service._streams).ended == ["a1"]
