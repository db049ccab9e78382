"""The streaming server as the RPCs see it."""

from collections.abc import Iterable
from typing import Protocol

from cri_shim.activity.peer import Peer
from cri_shim.containers.interactive import AttachRequest, ExecRequest
from cri_shim.pb import api_pb2 as api


class StreamUrls(Protocol):
    """Each method returns a URL that works once."""

    def exec(self, request: ExecRequest) -> str: ...

    def attach(self, request: AttachRequest) -> str: ...

    def port_forward(self, request: api.PortForwardRequest) -> str: ...

    def sessions(self) -> "Iterable[RunningSession]": ...

    def end_session(self, id: str) -> None: ...


class Quiet(Protocol):
    """The connection of a client."""

    def quiet(self) -> float: ...


class RunningSession(Protocol):
    """A session; see streaming.register."""

    @property
    def id(self) -> str: ...

    @property
    def purpose(self) -> str: ...

    @property
    def pod_id(self) -> str: ...

    @property
    def container_id(self) -> str: ...

    @property
    def object(self) -> str: ...

    @property
    def peer(self) -> Peer | None: ...

    @property
    def began(self) -> float: ...

    @property
    def client(self) -> Quiet: ...
