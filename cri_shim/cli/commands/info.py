"""Show the daemon's state, programs and problems."""

import argparse
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cri_shim.cli import daemon, output
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim info
cri-shim info -o json
"""


_BYTES = frozenset(
    ("memoryTotal", "memoryFree", "memoryAvailable", "swapTotal", "swapFree", "total", "free")
)


def add(parser: argparse.ArgumentParser) -> None:
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2

    async with daemon.client(args) as client:
        answer = await client.control.Info(control_pb2.InfoRequest())
    facts = json.loads(answer.json)
    output.show_object(args, facts, lambda: "\n".join(outline(facts)))
    return 0


def outline(facts: Any, indent: str = "") -> Iterator[str]:
    """Format nested facts as indented `name: value` lines."""
    pairs = facts.items() if isinstance(facts, dict) else (("-", item) for item in facts)
    for name, value in pairs:
        label = "-" if name == "-" else f"{one_line(name)}:"
        if isinstance(value, dict | list) and value:
            yield f"{indent}{label}"
            yield from outline(value, indent + "  ")
        else:
            yield f"{indent}{label} {_scalar(name, value)}".rstrip()


def _scalar(name: str, value: Any) -> str:
    if name in _BYTES and isinstance(value, int):
        return _size(value)
    if name == "uptime" and isinstance(value, int | float):
        return str(timedelta(seconds=round(value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, {}, []) else one_line(value)


def _size(count: int) -> str:
    """Format bytes for people, as `free -h` does: 23.5 GiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
