"""The process beside a pod, on disk: RUN_ROOT/network/POD.json, for the daemon after this one."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.network.user_programs import INTERFACE


@dataclass(slots=True)
class Served:
    """A pod with a process beside it; without a pid while that is only intended."""

    netns: Path
    program: str
    ports: list[str]
    pid: int = 0
    start_time: int = 0
    watch: int = -1  # a pidfd that a reader waits on
    again: "asyncio.Task[None] | None" = None
    problem: str = ""


def write(file: Path, served: Served) -> None:
    """Whole or not at all; raises OSError."""
    facts = {
        "netns": str(served.netns),
        "program": served.program,
        "ports": served.ports,
        "pid": served.pid,
        "startTime": served.start_time,
    }
    draft = file.with_name(f".{file.name}")
    draft.write_text(json.dumps(facts))
    draft.rename(file)


def read(file: Path) -> Served | None:
    """None for what is not there, or damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        facts: dict[str, Any] = json.loads(file.read_text())
        return Served(
            Path(facts["netns"]),
            str(facts["program"]),
            list(facts["ports"]),
            int(facts["pid"]),
            int(facts["startTime"]),
        )
    return None


def result(served: Served, ips: Sequence[str]) -> bytes:
    """In the form of a CNI result, with what CNI does not have."""
    return json.dumps(
        {
            "interfaces": [{"name": INTERFACE, "sandbox": str(served.netns)}],
            "ips": [{"address": ip, "interface": 0} for ip in ips],
            "program": served.program,
            "process": {"pid": served.pid, "startTime": served.start_time},
        }
    ).encode()
