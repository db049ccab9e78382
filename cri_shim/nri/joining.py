"""A plugin joins: it registers, is configured, and gets the existing pods and containers."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from cri_shim.aio.child import Child
from cri_shim.errors import CriShimError, InvalidArgument, ToolFailed
from cri_shim.nri import names
from cri_shim.nri.link import Link
from cri_shim.nri.plugin import Plugin
from cri_shim.pb import nri_pb2 as pb
from cri_shim.version import __version__
from cri_shim.wire.ttrpc import Call
from cri_shim.wire.ttrpc.client import TooLarge

SERVICE = "nri.pkg.api.v1alpha1.Runtime"
NRI_VERSION = "v0.12.5"  # of the definition that proto/nri has
_FEWEST = 1  # object of one part of Synchronize

# Carries out the changes that a plugin asks for; returns those that failed.
Update = Callable[[str, pb.UpdateContainersRequest], Awaitable[Sequence[pb.ContainerUpdate]]]

_AnyMessage = TypeVar("_AnyMessage", bound=Message)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: until a plugin has registered, or is synchronized; and for each other call."""

    registration: float
    request: float


@dataclass(frozen=True, slots=True)
class Known:
    """A plugin that the daemon has started: its name, its configuration and its process."""

    index: str
    name: str
    config: str
    child: Child


class Joining:
    """A connection on which a plugin is to register."""

    def __init__(self, connection: socket.socket, update: Update, known: Known | None) -> None:
        self._update = update
        self._known = known
        self._registered: asyncio.Future[tuple[str, str]]
        self._registered = asyncio.get_running_loop().create_future()
        self._plugin: Plugin | None = None
        self._link = Link(connection, self._serve)

    async def join(self, limits: Limits) -> Plugin:
        """Return the plugin when it is configured. ToolFailed, and the connection is closed."""
        what = f"{self._known.index}-{self._known.name}" if self._known else "on the socket"
        self._link.open(what)
        try:
            plugin = await self._register(what, limits)
            await _configure(plugin, self._known.config if self._known else "", limits)
        except BaseException:
            await self._link.close()
            if self._known is not None:
                await self._known.child.end()
            raise
        return plugin

    async def _register(self, what: str, limits: Limits) -> Plugin:
        either: set[asyncio.Future[Any]] = {
            self._registered,
            ended := asyncio.create_task(self._link.ended.wait()),
        }
        try:
            await asyncio.wait(
                either, timeout=limits.registration, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ended.cancel()
        if not self._registered.done():
            problem = f"did not register within {limits.registration:g} s"
            if self._link.ended.is_set():
                problem = f"ended before it registered: {self._link.why}"
            raise ToolFailed(f"NRI plugin {what} {problem}")
        index, name = self._registered.result()
        child = self._known.child if self._known else None
        self._plugin = Plugin(index, name, self._link, limits.request, child)
        return self._plugin

    async def _serve(self, call: Call) -> bytes:
        """Answer a call of the plugin."""
        if call.service == SERVICE and call.method == "RegisterPlugin":
            return self._take(_parsed(call, pb.RegisterPluginRequest()))
        if call.service == SERVICE and call.method == "UpdateContainers":
            if self._plugin is None:
                raise ToolFailed("a plugin must register before it updates containers")
            request = _parsed(call, pb.UpdateContainersRequest())
            failed = await self._update(str(self._plugin), request)
            return pb.UpdateContainersResponse(failed=failed).SerializeToString()
        raise NotImplementedError(f"no call {call.service[:80]}/{call.method[:80]}")

    def _take(self, request: pb.RegisterPluginRequest) -> bytes:
        if self._registered.done():
            raise InvalidArgument("", "the plugin has registered already")
        index, name = request.plugin_idx, request.plugin_name
        if self._known is not None:  # its file has the name that counts
            index, name = self._known.index, self._known.name
        elif problem := names.problem(index, name):
            error = ToolFailed(f"an NRI plugin on the socket is not registered: {problem}")
            self._registered.set_exception(error)
            raise InvalidArgument("", problem)
        self._registered.set_result((index, name))
        return b""


def _parsed(call: Call, message: _AnyMessage) -> _AnyMessage:
    try:
        message.ParseFromString(call.payload)
    except DecodeError as e:
        raise InvalidArgument("", f"the payload of {call.method} is not its request") from e
    return message


async def _configure(plugin: Plugin, config: str, limits: Limits) -> None:
    request = pb.ConfigureRequest(
        config=config,
        runtime_name="cri-shim",
        runtime_version=__version__,
        registration_timeout=int(limits.registration * 1000),
        request_timeout=int(limits.request * 1000),
        NRI_version=NRI_VERSION,
    )
    try:
        answer = await plugin.call("Configure", request, pb.ConfigureResponse())
        plugin.events = names.mask(answer.events)
    except TimeoutError as e:
        problem = f"did not answer Configure within {limits.request:g} s"
        raise ToolFailed(f"NRI plugin {plugin} {problem}") from e
    except (CriShimError, ValueError) as e:
        raise ToolFailed(f"NRI plugin {plugin} cannot be configured: {e}") from e
    plugin.policy.CopyFrom(answer.failure_policy)


async def synchronize(
    plugin: Plugin,
    pods: Sequence[pb.PodSandbox],
    containers: Sequence[pb.Container],
    limit: float,
) -> list[pb.ContainerUpdate]:
    """Tell the plugin all pods and containers, in parts if need be; return its updates.

    ToolFailed if it fails, or does not answer within `limit` seconds for each part.
    """
    size = max(len(pods), len(containers), 1)
    at = 0
    while True:
        more = at + size < max(len(pods), len(containers))
        request = pb.SynchronizeRequest(
            pods=pods[at : at + size], containers=containers[at : at + size], more=more
        )
        try:
            answer = await plugin.call("Synchronize", request, pb.SynchronizeResponse(), limit)
        except TooLarge as e:
            if size <= _FEWEST:
                raise ToolFailed(f"NRI plugin {plugin} cannot be synchronized: {e}") from e
            size = max(_FEWEST, size // 2)
            continue
        except TimeoutError as e:
            problem = f"did not answer Synchronize within {limit:g} s"
            raise ToolFailed(f"NRI plugin {plugin} {problem}") from e
        except CriShimError as e:
            raise ToolFailed(f"NRI plugin {plugin} cannot be synchronized: {e}") from e
        if not more:
            return list(answer.update)
        if answer.update or not answer.more:
            raise ToolFailed(f"NRI plugin {plugin} cannot be synchronized: it takes no parts")
        at += size
