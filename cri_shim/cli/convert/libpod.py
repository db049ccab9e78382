"""Converts a libpod.conf into cri-shim's form."""

from collections.abc import Iterator
from pathlib import Path

from cri_shim import config
from cri_shim.cli.config_text import by_table, line
from cri_shim.config.schema import KEYS, current
from cri_shim.errors import ConfigError

# server.root and server.run_root are derived from these keys.
_REPLACED = ("static_dir", "tmp_dir")


def converted(*places: Path) -> str:
    """Return TOML with the keys that the first existing file sets, and comments for ignored ones.

    ConfigError if no file exists.
    """
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ConfigError(f"there is no libpod.conf: looked for {', '.join(map(str, places))}")
    missing = Path("/dev/null/none")
    settings = config.load(places=config.Places(own=missing, drop_ins=missing, libpod=(found,)))
    return "\n".join(_lines(settings, found)) + "\n"


def _lines(settings: config.Config, file: Path) -> Iterator[str]:
    yield f"# made from {file}: for /etc/cri-shim/config.toml"
    origins = (f"{file}:", *(f"{name} at {file}:" for name in _REPLACED))
    table = ""
    for name in by_table(KEYS):
        origin = settings.origin[name]
        if not origin.startswith(origins) or name in _REPLACED:
            continue
        if (here := name.rpartition(".")[0]) != table:
            table = here
            yield from ("", f"[{table}]")
        yield line(name, current(settings, KEYS[name]), origin)
    for handler, runtime in settings.runtimes.items():
        name = f"runtimes.{handler}.path"
        if settings.origin[name].startswith(origins):
            yield from (
                "",
                f"[runtimes.{handler}]",
                line(name, runtime.path, settings.origin[name]),
            )
    if settings.warnings:
        yield from ("", *(f"# {warning}" for warning in settings.warnings))
