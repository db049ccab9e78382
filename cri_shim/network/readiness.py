"""Whether pods can have a network now: configuration, plugins' STATUS and the masquerade rule.

This is checked at the start, when a directory changes and every few seconds; between two checks the
answer comes from memory.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from cri_shim.errors import CriShimError
from cri_shim.network import bundled, masquerade, verbs
from cri_shim.network.catalog import Catalog, View
from cri_shim.network.conflist import NetworkList
from cri_shim.network.driver import NOT_READY, NetworkStatus
from cri_shim.network.exec import Plugins
from cri_shim.network.watch import Watch

IMPATIENT_S = 0.5  # the time between checks while a plugin's STATUS fails

_log = logging.getLogger(__name__)


class Readiness:
    def __init__(
        self, plugins: Plugins, catalog: Catalog, directories: Sequence[Path], poll: float
    ) -> None:
        self._plugins = plugins
        self._catalog = catalog
        self._poll = poll
        self._watch = Watch(directories)
        self._masqueraded: set[str] = set()
        self._error = ""  # the error of a plugin's STATUS
        self._warning = ""  # pods can be attached, but something is missing
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.own: NetworkList | None = None  # the bundled network, if it may be used
        self.view = View(None, "the network is not started", False, ())

    async def start(self) -> None:
        """Check once, so that the status is correct when this returns; then follow changes."""
        self._watch.arm()
        try:
            await self.look()
        except BaseException:
            self._watch.close()
            raise
        self._task = asyncio.create_task(self._follow(), name="network watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._watch.close()

    def status(self) -> NetworkStatus:
        """Return the status from memory."""
        notes = tuple(note for note in (self._warning, self._watch.problem) if note)
        if self.view.default is None or self._error:
            return NetworkStatus(False, NOT_READY, self.view.message or self._error, notes)
        return NetworkStatus(True, "", "", notes)

    async def look(self) -> None:
        """Read configuration and plugins again, and replace the view."""
        async with self._looking:
            view = await self._catalog.load(self.own)
            warning = await self._masquerade(view)
            error = await self._ask_status(view)
            _log_change(self.view, view)
            self.view, self._warning, self._error = view, warning, error

    async def _follow(self) -> None:
        changes = self._watch.changes(lambda: IMPATIENT_S if self._error else self._poll)
        async with contextlib.aclosing(changes):
            async for _ in changes:
                try:
                    await self.look()
                except Exception:
                    _log.exception("looking at the CNI configuration failed; trying again")

    async def _masquerade(self, view: View) -> str:
        """Make the bundled network's rule; return why there is none."""
        if not view.bundled or view.default is None:
            return ""
        try:
            for subnet in bundled.subnets_of(view.default):
                if subnet not in self._masqueraded:
                    await masquerade.ensure(subnet)
                    self._masqueraded.add(subnet)
        except CriShimError as e:
            return str(e)
        return ""

    async def _ask_status(self, view: View) -> str:
        if view.default is None:
            return ""
        try:
            await verbs.status(self._plugins, view.default, verbs.STATUS_S)
        except CriShimError as e:
            return f"Network plugin returns error: {e}"
        return ""


def _log_change(old: View, new: View) -> None:
    """Log another network of pods. Problems are logged from the list of problems."""
    if new.default is not None and new.default != old.default:
        _log.info("pods get network %s (%s)", new.default.name, new.default.source)
