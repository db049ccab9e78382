"""Prepares the settings of a new configuration beside the running ones, then replaces all at once.

`prepare` does everything that may fail or wait: it reads files and tests OCI runtimes. Nothing that
runs is changed by it. `Prepared.commit` only assigns: it does not wait and cannot fail, so there is
no half-applied configuration. Nothing is recorded: the next start reads the files.
"""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from cri_shim.aio.offload import offload
from cri_shim.assembly import limits, probing, settings
from cri_shim.assembly.programs import Programs, find_init
from cri_shim.config import Config
from cri_shim.config.source import place
from cri_shim.engine import Engine, Settings
from cri_shim.errors import ConfigError
from cri_shim.oci import handlers
from cri_shim.oci.driver import Offered
from cri_shim.oci.handlers import Handler

_numbers = itertools.count(2)  # of bind mounts of crun: those of the start have no number


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings that can take effect. `tested` are handlers that `release` must give back."""

    config: Config
    programs: Programs
    settings: Settings
    tested: tuple[Handler, ...]

    def commit(self, engine: Engine) -> None:
        """Let the calls that begin from now on have these settings."""
        ours = self.config.network
        engine.live.replace(self.settings)
        engine.network.limit(ours.add_timeout, ours.del_timeout)

    def release(self) -> None:
        """End the bind mounts of the tested handlers: they are not used, or not any more."""
        for handler in self.tested:
            handlers.release(handler)


async def prepare(engine: Engine, programs: Programs, running: Config, wanted: Config) -> Prepared:
    """Make the settings of `wanted`, which has the running values of keys that need a restart.

    ConfigError if a file that it names is wrong, or if pods would have no working OCI runtime and
    have one now.
    """
    await limits.refuse_unsupported(wanted, programs.conmon, engine.paths.root)
    init = await offload(find_init, wanted.init_path)
    programs = replace(programs, init=init)
    defaults = await offload(settings.defaults, wanted, programs)
    before = engine.live.newest
    images = await offload(settings.images, wanted, programs, before.images)
    tested = await _tested(engine, running, wanted)
    offered = _offered(before.offered, wanted, {handler.name: handler for handler in tested})
    retired = {name: before.defaults.of_handler(name) for name in offered.retired}
    defaults = replace(defaults, handlers={**retired, **defaults.handlers})
    prepared = Prepared(wanted, programs, Settings(defaults, offered, images), tuple(tested))
    try:
        _refuse_no_runtime(before.offered, offered, wanted)
    except ConfigError:
        prepared.release()
        raise
    return prepared


async def _tested(engine: Engine, running: Config, wanted: Config) -> list[Handler]:
    """Test the handlers that are new, that have other paths, or that do not work now."""
    known = engine.live.newest.offered.handlers
    names = [
        name
        for name, table in wanted.runtimes.items()
        if name not in known or known[name].problem or _path(running, name) != table.path
    ]
    if not names:
        return []
    version = f".{next(_numbers)}"
    return await probing.probe(wanted, engine.paths, engine.cgroups, names, version)


def _path(config: Config, name: str) -> tuple[str, ...]:
    table = config.runtimes.get(name)
    return () if table is None else table.path


def _offered(before: Offered, wanted: Config, tested: Mapping[str, Handler]) -> Offered:
    known = {**before.handlers, **before.retired, **tested}
    offered = {name: known[name] for name in wanted.runtimes}
    retired = _without(known, offered)
    return Offered(offered, probing.default(wanted, list(offered.values())), retired)


def _without(known: Mapping[str, Handler], names: Collection[str]) -> dict[str, Handler]:
    return {name: handler for name, handler in known.items() if name not in names}


def _refuse_no_runtime(before: Offered, after: Offered, wanted: Config) -> None:
    """Refuse a configuration with which no new pod of the default handler could be made."""
    was, now = before.handlers.get(before.default), after.handlers.get(after.default)
    if was is None or was.problem or (now is not None and not now.problem):
        return
    key = "runtime" if wanted.default_runtime else f"runtimes.{after.default}.path"
    reason = now.problem if now is not None else "no OCI runtime is configured"
    where = place(wanted.origin.get(key, "default"), key)
    raise ConfigError(f"{where}: the default OCI runtime would not work: {reason}")
