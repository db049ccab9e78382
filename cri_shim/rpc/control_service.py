"""Control: the daemon's own RPCs for operators, on the same socket as the CRI."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cri_shim import resolve
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.log import setting
from cri_shim.objects import ObjectStore, Record
from cri_shim.pb import control_pb2 as control
from cri_shim.pb.state_pb2 import PodRecord
from cri_shim.rpc.control_containers import ControlContainers
from cri_shim.rpc.control_images import ControlImages
from cri_shim.rpc.control_pods import ControlPods
from cri_shim.rpc.control_sessions import ControlSessions
from cri_shim.rpc.ending import Ending
from cri_shim.rpc.stream_urls import StreamUrls

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reports:
    """What the runtime tells of itself, as JSON-able values; `reload` changes it."""

    info: Callable[[], Awaitable[dict[str, Any]]]
    check: Callable[[], Awaitable[list[dict[str, Any]]]]
    config: Callable[[], dict[str, Any]]
    reload: Callable[[], Awaitable[dict[str, Any]]]
    compare: Callable[[bool], Awaitable[dict[str, Any]]]
    leaks: Callable[[], Awaitable[dict[str, Any]]]


class ControlService(ControlImages, ControlPods, ControlContainers, ControlSessions):
    def __init__(self, engine: Engine, reports: Reports, streams: StreamUrls) -> None:
        self._engine = engine
        self._ending = Ending()
        self._reports = reports
        self._streams = streams

    def end_calls(self) -> None:
        """End the calls that wait: the server stops."""
        self._ending.begin()

    async def Info(self, request: control.InfoRequest) -> control.InfoResponse:
        return control.InfoResponse(json=json.dumps(await self._reports.info()))

    async def Check(self, request: control.CheckRequest) -> control.CheckResponse:
        return control.CheckResponse(json=json.dumps(await self._reports.check()))

    async def Compare(self, request: control.CompareRequest) -> control.CompareResponse:
        return control.CompareResponse(json=json.dumps(await self._reports.compare(False)))

    async def Repair(self, request: control.RepairRequest) -> control.RepairResponse:
        return control.RepairResponse(json=json.dumps(await self._reports.compare(True)))

    async def Leaks(self, request: control.LeaksRequest) -> control.LeaksResponse:
        return control.LeaksResponse(json=json.dumps(await self._reports.leaks()))

    async def Config(self, request: control.ConfigRequest) -> control.ConfigResponse:
        return control.ConfigResponse(json=json.dumps(self._reports.config()))

    async def Reload(self, request: control.ReloadRequest) -> control.ReloadResponse:
        return control.ReloadResponse(json=json.dumps(await self._reports.reload()))

    async def SetLogLevel(self, request: control.SetLogLevelRequest) -> control.SetLogLevelResponse:
        before = setting.current_level()
        if request.level:
            try:
                setting.set_level(request.level)
            except ValueError as e:
                raise InvalidArgument("level", str(e)) from e
            _log.info("log level %s, it was %s", request.level, before)
        return control.SetLogLevelResponse(level=setting.current_level(), before=before)

    async def Find(self, request: control.FindRequest) -> control.FindResponse:
        find: dict[str, Callable[[ObjectStore, str], Record]] = {
            "pod": resolve.pod,
            "container": resolve.container_or_pod if request.whole_pod else resolve.container,
            "": resolve.either,
        }
        objects = self._engine.objects
        found = find[request.kind](objects, request.word)
        kind = "pod" if isinstance(found, PodRecord) else "container"
        return control.FindResponse(kind=kind, id=found.id, name=resolve.name(objects, found))
