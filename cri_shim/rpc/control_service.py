"""Control: the daemon's own RPCs for operators, on the same socket as the CRI."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from cri_shim import log
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.control_containers import ControlContainers
from cri_shim.rpc.control_images import ControlImages
from cri_shim.rpc.control_pods import ControlPods
from cri_shim.rpc.ending import Ending
from cri_shim.rpc.stream_urls import StreamUrls

_log = logging.getLogger(__name__)


class ControlService(ControlImages, ControlPods, ControlContainers):
    def __init__(
        self, engine: Engine, info: Callable[[], Awaitable[dict[str, Any]]], streams: StreamUrls
    ) -> None:
        self._engine = engine
        self._ending = Ending()
        self._info = info
        self._streams = streams

    def end_calls(self) -> None:
        """End the calls that wait: the server stops."""
        self._ending.begin()

    async def Info(self, request: control.InfoRequest) -> control.InfoResponse:
        return control.InfoResponse(json=json.dumps(await self._info()))

    async def SetLogLevel(self, request: control.SetLogLevelRequest) -> control.SetLogLevelResponse:
        before = log.current_level()
        if request.level:
            try:
                log.set_level(request.level)
            except ValueError as e:
                raise InvalidArgument("level", str(e)) from e
            _log.info("log level %s, it was %s", request.level, before)
        return control.SetLogLevelResponse(level=log.current_level(), before=before)
