"""The connected plugins, in the order of their indices; they get one event at a time.

So plugins see events in one order, and a plugin that joins, which happens between two events,
neither misses one nor gets one twice.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from cri_shim.activity import Step
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.nri.joining import Joining, Known, Limits, Update, synchronize
from cri_shim.nri.plugin import Plugin
from cri_shim.pb import nri_pb2 as pb

MOST = 64  # plugins that are connected at once

State = tuple[list[pb.PodSandbox], list[pb.Container]]

_log = logging.getLogger(__name__)


class Plugins:
    def __init__(
        self, limits: Limits, update: Update, known: Callable[[], Awaitable[State]]
    ) -> None:
        """`known` returns the pods and containers that every plugin knows now."""
        self._limits = limits
        self._update = update
        self._known = known
        self._turn = asyncio.Lock()
        self._connected: list[Plugin] = []
        self._watches: set[asyncio.Task[None]] = set()
        self._joining = 0

    async def join(self, connection: socket.socket, known: Known | None = None) -> None:
        """Let a plugin join; return when it gets events. ToolFailed, and it is disconnected."""
        if len(self._connected) + self._joining >= MOST:
            connection.close()
            raise ToolFailed(f"an NRI plugin is refused: {MOST} are connected already")
        self._joining += 1
        try:
            plugin = await Joining(connection, self._update, known).join(self._limits)
            try:
                updates = await self._enter(plugin)
            except BaseException:
                await plugin.close()
                raise
        finally:
            self._joining -= 1
        if updates:
            await self._update(str(plugin), pb.UpdateContainersRequest(update=updates))

    async def _enter(self, plugin: Plugin) -> list[pb.ContainerUpdate]:
        async with self._turn:
            limit = max(self._limits.registration, self._limits.request)
            updates = await synchronize(plugin, *await self._known(), limit)
            self._connected.append(plugin)
            self._connected.sort(key=str)
        watch = asyncio.create_task(self._watch(plugin), name=f"end of NRI plugin {plugin}")
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        _log.info("NRI plugin %s is connected", plugin)
        return updates

    async def _watch(self, plugin: Plugin) -> None:
        await plugin.link.ended.wait()
        self._connected.remove(plugin)
        _log.warning("NRI plugin %s is gone: %s", plugin, plugin.link.why)
        await plugin.close()

    def getting(self, method: str) -> list[str]:
        """Return the names of the connected plugins that get an event."""
        return [str(plugin) for plugin in self._connected if plugin.gets(method)]

    def facts(self) -> list[dict[str, Any]]:
        """Return the name and the subscription of each connected plugin, in their order."""
        return [plugin.facts() for plugin in self._connected]

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[list[Plugin]]:
        """Yield the plugins, for one event; other events wait meanwhile."""
        with Step("plugins", "NRI plugins"):
            async with self._turn:
                yield list(self._connected)

    async def close(self) -> None:
        """Tell the plugins that the runtime ends, and disconnect them."""
        for watch in list(self._watches):
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        plugins, self._connected = self._connected, []
        await asyncio.gather(*(_shut_down(plugin) for plugin in plugins))


async def _shut_down(plugin: Plugin) -> None:
    try:
        if not plugin.gone:
            await plugin.call("Shutdown", pb.Empty(), pb.Empty())
    except (TimeoutError, CriShimError) as e:
        _log.warning("NRI plugin %s failed at Shutdown: %s", plugin, str(e) or "no answer")
    finally:
        await plugin.close()
