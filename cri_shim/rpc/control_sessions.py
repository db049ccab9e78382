"""The RPCs of Control for sessions of exec, attach and port-forward."""

from cri_shim.engine import Engine
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.stream_urls import RunningSession, StreamUrls


class ControlSessions:
    """A base class of ControlService."""

    _engine: Engine
    _streams: StreamUrls

    async def ListSessions(
        self, request: control.ListSessionsRequest
    ) -> control.ListSessionsResponse:
        probes = self._engine.work.exec_syncs
        return control.ListSessionsResponse(
            sessions=map(_session, self._streams.sessions()),
            exec_syncs_running=probes.running,
            exec_syncs_begun=probes.begun,
        )

    async def EndSession(self, request: control.EndSessionRequest) -> control.EndSessionResponse:
        self._streams.end_session(request.id)
        return control.EndSessionResponse()


def _session(running: RunningSession) -> control.Session:
    found = control.Session(
        id=running.id,
        purpose=running.purpose,
        pod_sandbox_id=running.pod_id,
        container_id=running.container_id,
        name=running.object,
        started_at=int(running.began * 1e9),
        quiet_s=running.client.quiet(),
    )
    if (peer := running.peer) is not None:
        found.peer.uid, found.peer.gid, found.peer.pid = peer.uid, peer.gid, peer.pid
        found.peer.program, found.peer.socket = peer.program, peer.socket
    return found
