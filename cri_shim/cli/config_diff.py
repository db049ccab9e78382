"""Where the configuration differs: the defaults, the running daemon, the files as they are now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.cli.config_text import shown
from cri_shim.cli.table import Column
from cri_shim.config import Config
from cri_shim.config.schema import HANDLER_KEYS, KEYS, current, handler_values


@dataclass(frozen=True, slots=True)
class Difference:
    """A key with its values. `running` is None without a daemon, or if it lacks the handler."""

    key: str
    default: Any
    running: Any
    files: Any
    origin: str
    takes_effect: str

    @property
    def pending(self) -> bool:
        """Whether the files say something else than what runs."""
        return bool(self.running != self.files)

    def facts(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "default": self.default,
            "running": self.running,
            "files": self.files,
            "origin": self.origin,
            "takesEffect": self.takes_effect,
        }


def differences(
    files: Config, running: Mapping[str, Any] | None, plain: Any
) -> Iterator[Difference]:
    """Yield the keys with a value that is not the default, or that runs and is not in the files.

    `running` is the daemon's answer, see report.configuration.in_force; `plain` makes a value
    JSON-able, as there.
    """
    defaults = Config()
    values = None if running is None else running["values"]
    for name, key in KEYS.items():
        default, wanted = plain(key.default), plain(current(files, key))
        now = wanted if values is None else values.get(name, wanted)
        if not default == now == wanted:
            origin = files.origin.get(name, "default")
            runs = None if values is None else now
            yield Difference(name, default, runs, wanted, origin, key.when.value)
    wants, defaults_of = (
        {name: plain(value) for name, value in handler_values(table.runtimes).items()}
        for table in (files, defaults)
    )
    of_daemon = [] if values is None else [n for n in values if n.startswith("runtimes.")]
    for name in dict.fromkeys([*wants, *of_daemon]):
        own = HANDLER_KEYS.get(name.rpartition(".")[2])
        unset = None if own is None or name.endswith(".path") else plain(own.default)
        default, wanted = defaults_of.get(name, unset), wants.get(name, unset)
        now = wanted if values is None else values.get(name, unset)
        if own is not None and not default == now == wanted:
            origin = files.origin.get(name, "default")
            runs = None if values is None else now
            yield Difference(name, default, runs, wanted, origin, own.when.value)


def columns(with_daemon: bool) -> list[Column[Difference]]:
    """Return the columns of the table; without a daemon nothing runs, and nothing takes effect."""
    found: list[Column[Difference]] = [
        Column("KEY", lambda d: d.key),
        Column("DEFAULT", lambda d: shown(d.default), rank=3, cut=True),
    ]
    if with_daemon:
        found.append(Column("RUNNING", lambda d: shown(d.running), cut=True))
    found.append(Column("FILES", lambda d: shown(d.files), cut=True))
    if with_daemon:
        found.append(
            Column("TAKES EFFECT", lambda d: f"at a {d.takes_effect}" if d.pending else "", rank=1)
        )
    found.append(Column("ORIGIN", lambda d: d.origin, rank=2))
    return found
