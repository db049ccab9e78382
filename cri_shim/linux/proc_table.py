"""One process as /proc describes it and as `ps` shows it."""

import os
from dataclasses import dataclass
from pathlib import Path

from cri_shim.linux import process
from cri_shim.linux.syscalls import NOBODY

_PTS = range(136, 144)  # majors of pseudo terminals, 256 minors each
_TTY = 4
COMMAND_LIMIT = 1 << 12  # bytes of a command that are shown, as in ps


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """Times are in seconds; ids are those of the daemon's own namespaces."""

    pid: int
    parent: int
    pids: tuple[int, ...]  # in this pid namespace, and in each one below it that has the process
    uid: int  # effective
    state: str  # the letter of proc(5)
    tty: str  # "pts/0"; "?" for none
    cpu: float
    elapsed: float
    name: str
    command: tuple[str, ...]  # only its beginning if it is long; empty for a zombie


def read(pid: int) -> ProcessFacts | None:
    """Read a process; None if it does not exist. Not for the event loop: see arguments()."""
    where = Path(f"/proc/{pid}")
    try:
        stat = process.stat(pid)
        status = dict(_pairs((where / "status").read_bytes().decode(errors="replace")))
        command = process.arguments(pid, COMMAND_LIMIT)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if stat is None:
        return None
    return ProcessFacts(
        pid=pid,
        parent=stat.parent,
        pids=tuple(map(int, status["NSpid"].split())),
        uid=int(status["Uid"].split()[1]),
        state=stat.state,
        tty=_terminal(stat.number(7)),
        cpu=(stat.number(14) + stat.number(15)) / process.TICKS,
        elapsed=max(0.0, process.age(stat.start_time)),
        name=stat.name,
        command=tuple(command),
    )


def inside(pid: int, id: int) -> int:
    """Return user `id` as seen in the user namespace of process `pid`; 65534 if it has no id there.

    OSError if the process has gone.
    """
    for line in Path(f"/proc/{pid}/uid_map").read_text().splitlines():
        first, outside, count = map(int, line.split())
        if outside <= id < outside + count:
            return first + id - outside
    return NOBODY


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = (line.partition(":") for line in text.split("\n"))
    return [(key, value.strip()) for key, _, value in lines]


def _terminal(device: int) -> str:
    major, minor = os.major(device), os.minor(device)
    if major in _PTS:
        return f"pts/{(major - _PTS.start) * 256 + minor}"
    return f"tty{minor}" if major == _TTY else "?"
