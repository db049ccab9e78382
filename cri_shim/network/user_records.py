"""The record of the process beside a pod, RUN_ROOT/network/POD.json, for the next daemon."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.linux.privacy import write_private
from cri_shim.linux.process_handle import Process
from cri_shim.network.user_programs import INTERFACE
from cri_shim.untrusted import parse_json, read_file

MAX_FILE = 1 << 20  # bytes
MAX_PATH = 4096  # characters


@dataclass(slots=True)
class Served:
    """A pod with a process beside it; the pid is 0 before the process is started."""

    netns: Path
    program: str
    ports: list[str]
    pid: int = 0
    start_time: int = 0
    process: Process | None = None  # while its end is awaited
    restart: "asyncio.Task[None] | None" = None
    problem: str = ""


def write(file: Path, served: Served) -> None:
    """Write the record completely or not at all; raises OSError."""
    facts = {
        "netns": str(served.netns),
        "program": served.program,
        "ports": served.ports,
        "pid": served.pid,
        "startTime": served.start_time,
    }
    write_private(file, json.dumps(facts))


def read(file: Path) -> Served | None:
    """Read the record; None if it is missing or damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        facts: dict[str, Any] = parse_json(read_file(file, MAX_FILE))
        return Served(
            Path(_checked(facts["netns"])),
            str(facts["program"]),
            list(facts["ports"]),
            int(facts["pid"]),
            int(facts["startTime"]),
        )
    return None


def _checked(path: str) -> str:
    if not path.startswith("/") or "\0" in path or len(path) > MAX_PATH:
        raise ValueError("is no path")
    return path


def result(served: Served, ips: Sequence[str]) -> bytes:
    """Return a result in CNI's form, with the program and its process added."""
    return json.dumps(
        {
            "interfaces": [{"name": INTERFACE, "sandbox": str(served.netns)}],
            "ips": [{"address": ip, "interface": 0} for ip in ips],
            "program": served.program,
            "process": {"pid": served.pid, "startTime": served.start_time},
        }
    ).encode()
