"""The list of problems of a running daemon: followed, and logged when a problem comes or goes."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from cri_shim.aio.offload import join, offload
from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.oci.program_versions import Inventory
from cri_shim.problems import advice, daemon, node
from cri_shim.problems.finding import Finding, Level, problems

MEMORY_S = 5.0  # between looks at what the daemon knows
NODE_S = 15.0  # between looks at the node: some 40 files
PATIENCE_S = 5.0  # for a look at the node; a silent file system must not delay an answer

_log = logging.getLogger(__name__)


class Problems:
    """`findings` is from memory; `look` first looks again. One task may `follow`.

    `config` returns the configuration of now, which a reload replaces.
    """

    def __init__(self, engine: Engine, config: Callable[[], Config], inventory: Inventory) -> None:
        self._engine, self._config, self._inventory = engine, config, inventory
        self._node: list[Finding] = []
        self._advice: list[Finding] = []
        self._looking: asyncio.Task[None] | None = None
        self._advising: asyncio.Task[None] | None = None
        self._logged: dict[tuple[str, ...], Finding] = {}

    def findings(self) -> list[Finding]:
        """Return all findings; of one thing, the look at the node counts if it is a problem."""
        return merged(self._node, daemon.look(self._engine, self._config())) + self._advice

    def problems(self) -> list[Finding]:
        return problems(self.findings())

    async def look(self) -> list[Finding]:
        """Look at the node again, within PATIENCE_S, and return all findings; log changes."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_at_node(), name="look at the node")
        if self._advising is None:
            self._advising = asyncio.create_task(self._advise(), name="look at permissions")
        await asyncio.wait([self._looking], timeout=PATIENCE_S)
        await join(self._advising)
        return self.tell()

    async def follow(self) -> None:
        """Log problems as they come and go, until the task is cancelled."""
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            if loop.time() >= due:
                await self.look()
                due = loop.time() + NODE_S
            self.tell()
            await asyncio.sleep(MEMORY_S)

    def tell(self) -> list[Finding]:
        """Log the problems that are new, and those that are gone; return all findings."""
        found = self.findings()
        now = {finding.identity: finding for finding in problems(found)}
        for identity, finding in now.items():
            if identity not in self._logged:
                _log.log(finding.level.of_log, "%s", finding.text)
        for identity, finding in self._logged.items():
            if identity not in now:
                _log.info("no longer a problem: %s", finding.text)
        self._logged = now
        return found

    async def close(self) -> None:
        tasks = [task for task in (self._looking, self._advising) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_at_node(self) -> None:
        try:
            found = await offload(node.look, self._config())
            self._node = found + await offload(daemon.look_at_files, self._engine)
        except Exception as e:  # a node may have any defect; pods must run
            _log.warning("the node could not be looked at: %s", e, exc_info=e)

    async def _advise(self) -> None:
        found = await offload(advice.of_places, self._config())
        self._advice = found + await advice.of_versions(self._engine.oci.handlers, self._inventory)


def merged(node: Iterable[Finding], daemon: Iterable[Finding]) -> list[Finding]:
    """Return both; where both have findings of one thing, the daemon's problem wins, then any."""
    node, daemon = list(node), list(daemon)
    bad = {finding.what for finding in daemon if finding.level is not Level.OK}
    known = {finding.what for finding in daemon}
    worse = {f.what for f in node if f.level is not Level.OK} - bad
    return [
        *(finding for finding in node if finding.what not in known or finding.what in worse),
        *(finding for finding in daemon if finding.what not in worse),
    ]
