"""A reload: the configuration files are read again, and what can change in a running daemon does.

All or nothing: a file with an error changes nothing. The order is

1. read the files and the flags, as at the start; check everything that they name;
2. prepare the new settings beside the running ones (assembly.reloading);
3. replace all settings at once, without a wait between.

A call that runs keeps the settings of its beginning (aio.live). A key that needs a restart keeps
its running value, and the answer says so.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim import assembly, config
from cri_shim.aio.offload import offload
from cri_shim.assembly import Programs
from cri_shim.config import Config
from cri_shim.config.changes import Change, changes, merged
from cri_shim.config.failures import Failures
from cri_shim.config.keys import When
from cri_shim.config.schema import KEYS
from cri_shim.engine import Engine
from cri_shim.log import setting
from cri_shim.problems import Level
from cri_shim.report import refused
from cri_shim.report.configuration import plain
from cri_shim.streaming.server import StreamingServer

_LEVEL = "server.log_level"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The result: what changed, in the order of the schema, and harmless problems of the files."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return the result as JSON-able values."""
        return {"changes": list(map(_facts, self.changes)), "warnings": list(self.warnings)}

    def __str__(self) -> str:
        keys = {when: [c.key for c in self.changes if c.when is when] for when in When}
        parts = [f"{_DONE[when]} {', '.join(names)}" for when, names in keys.items() if names]
        return "; ".join(parts) or "nothing changed"


_DONE = {
    When.LIVE: "in force now:",
    When.NEXT_POD: "for new pods:",
    When.RESTART: "needs a restart:",
}


def _facts(change: Change) -> dict[str, Any]:
    return {
        "key": change.key,
        "before": plain(change.before),
        "after": plain(change.after),
        "origin": change.origin,
        "takesEffect": change.when.value,
        "applied": change.applied,
    }


class Reloading:
    """Reloads one runtime, one reload at a time. `config` and `programs` are those in force."""

    def __init__(
        self, running: Config, programs: Programs, path: Path | None, options: Mapping[str, str]
    ) -> None:
        """`path` and `options` are where the configuration came from at the start."""
        self.config, self.programs = running, programs
        self._path, self._options = path, options
        self._turn = asyncio.Lock()
        self._tested: list[assembly.Prepared] = []

    async def reload(self, engine: Engine, streams: StreamingServer | None) -> Reloaded:
        """Read the configuration again. ConfigError with file and line; then nothing changed."""
        async with self._turn:
            wanted = await offload(config.load, self._path, self._options)
            found = _with_level(changes(self.config, wanted), wanted)
            runs = merged(self.config, wanted)
            await offload(_refuse, runs, found)
            prepared = await assembly.prepare(engine, self.programs, self.config, runs)
            engine.alive()  # it may have been closed meanwhile
            self._commit(engine, streams, prepared)
        result = Reloaded(found, wanted.warnings)
        _log.info("configuration reloaded: %s", result)
        return result

    def _commit(
        self, engine: Engine, streams: StreamingServer | None, prepared: assembly.Prepared
    ) -> None:
        """Replace everything. No await and nothing that fails may be in here."""
        prepared.commit(engine)
        self._tested.append(prepared)
        self.config, self.programs = prepared.config, prepared.programs
        if streams is not None:
            ours = self.config.streaming
            streams.limit(ours.idle_timeout, ours.max_sessions, ours.max_sessions_per_pod)
        if setting.is_set_up():
            setting.set_level(self.config.server.log_level)

    def close(self) -> None:
        """Release what reloads have made: calls in hand have ended."""
        for prepared in self._tested:
            prepared.release()


def _with_level(found: tuple[Change, ...], wanted: Config) -> tuple[Change, ...]:
    """Report the log level against the one in force, which `cri-shim log-level` may have set."""
    others = tuple(change for change in found if change.key != _LEVEL)
    now, level = setting.current_level(), wanted.server.log_level
    if not setting.is_set_up() or now == level:
        return others
    return (Change(_LEVEL, now, level, wanted.origin[_LEVEL], KEYS[_LEVEL].when), *others)


def _refuse(wanted: Config, found: tuple[Change, ...]) -> None:
    """Refuse what a start would refuse, and changed keys that name something unusable. Blocks."""
    changed = {change.key for change in found}
    failures = Failures()
    for finding in refused.look(wanted):
        warned = finding.level is Level.WARNING and finding.key in changed
        if finding.level is Level.FAILS or warned:
            failures.add(finding.text)
    failures.refuse()
