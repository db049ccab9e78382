"""Events as messages, built only if a plugin gets them, and told to the plugins one by one."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message

from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.nri import messages
from cri_shim.nri.plugin import Plugin
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state

_OfPod = TypeVar(
    "_OfPod",
    pb.RunPodSandboxRequest,
    pb.UpdatePodSandboxRequest,
    pb.PostUpdatePodSandboxRequest,
    pb.StopPodSandboxRequest,
    pb.RemovePodSandboxRequest,
)
_OfContainer = TypeVar(
    "_OfContainer",
    pb.PostCreateContainerRequest,
    pb.StartContainerRequest,
    pb.PostStartContainerRequest,
    pb.UpdateContainerRequest,
    pb.PostUpdateContainerRequest,
    pb.StopContainerRequest,
    pb.RemoveContainerRequest,
)

_Event = TypeVar("_Event")
Make: TypeAlias = Callable[[], Awaitable[_Event]]

_log = logging.getLogger(__name__)


def of_pod(engine: Engine, pod: state.PodRecord, event: _OfPod) -> Make[_OfPod]:
    """Return what fills in the pod of an event, if a plugin is to get it."""

    async def make() -> _OfPod:
        event.pod.CopyFrom(messages.pod(engine, pod))
        return event

    return make


def of_container(
    engine: Engine, container: state.ContainerRecord, event: _OfContainer
) -> Make[_OfContainer]:
    """Do the same for a container and its pod, if there still is one."""

    async def make() -> _OfContainer:
        pod = engine.objects.find_pod(container.pod_id)
        if pod is not None:
            event.pod.CopyFrom(messages.pod(engine, pod))
        event.container.CopyFrom(await messages.container(engine, container))
        return event

    return make


async def tell(
    plugins: Sequence[Plugin], method: str, make: Callable[[], Awaitable[Message]]
) -> None:
    """Tell the plugins an event that needs no answer; ToolFailed if one refuses it."""
    asked = [plugin for plugin in plugins if plugin.gets(method)]
    event = await make() if asked else None
    for plugin in asked:
        if event is not None and plugin.gets(method):
            await plugin.event(method, event, pb.Empty())


async def logged(work: Awaitable[None]) -> None:
    """Await a report of the past, whose failure is only logged."""
    try:
        await work
    except CriShimError as e:
        _log.error("%s", e)
