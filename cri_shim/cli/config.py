"""config: show every effective value and where it came from, or check a configuration."""

import argparse
import sys
from pathlib import Path
from typing import Any

import toml

from cri_shim import config
from cri_shim.config.schema import KEYS, TABLES, current


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="say only whether it is right")
    parser.add_argument("--docs", action="store_true", help="say also what each key means")


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    for warning in settings.warnings:
        print(f"cri-shim: warning: {warning}", file=sys.stderr)
    if args.check:
        print("configuration is right")
    else:
        print(text(settings, docs=args.docs), end="")
    return 0


def text(settings: config.Config, *, docs: bool = False) -> str:
    """The configuration as TOML that `--config` would read back, with origins as comments."""
    lines: list[str] = []
    table = ""
    for name in sorted(KEYS, key=lambda name: [*TABLES].index(_table(name)) if "." in name else -1):
        if _table(name) != table:
            table = _table(name)
            lines += ["", f"[{table}]"]
        if docs:
            lines.append(f"# {KEYS[name].doc}")
        lines.append(_line(name, current(settings, KEYS[name]), settings.origin[name]))
    for handler, runtime in settings.runtimes.items():
        name = f"runtimes.{handler}.path"
        lines += ["", f"[runtimes.{handler}]", _line(name, runtime.path, settings.origin[name])]
    return "\n".join(lines) + "\n"


def _table(name: str) -> str:
    return name.rpartition(".")[0]


def _line(name: str, value: Any, origin: str) -> str:
    pair = toml.dumps({name.rpartition(".")[2]: _plain(value)}).strip()
    return f"{pair}  # {origin}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
