"""The streaming server as the RPCs see it."""

from typing import Protocol

from cri_shim.containers.interactive import AttachRequest, ExecRequest
from cri_shim.pb import api_pb2 as api


class StreamUrls(Protocol):
    """Each method returns a URL that works once."""

    def exec(self, request: ExecRequest) -> str: ...

    def attach(self, request: AttachRequest) -> str: ...

    def port_forward(self, request: api.PortForwardRequest) -> str: ...
