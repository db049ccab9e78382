"""Processes by pid *and* start time: another process may have the same pid later."""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.linux import syscalls

# In the order of linux/capability.h: the position is the bit.
_CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
""".split()  # noqa: SIM905


ARGUMENTS_LIMIT = 1 << 16  # bytes; the command line of a conmon has some KiB
TICKS = os.sysconf("SC_CLK_TCK")  # per second, of the clock of start times
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes and time that one process uses; the time includes children that it waited for."""

    cpu_ns: int
    resident: int
    anonymous: int  # of the resident pages, those that belong to no file
    faults: int
    major_faults: int
    threads: int


@dataclass(frozen=True, slots=True)
class Stat:
    """A process in the process table: the data of /proc/PID/stat."""

    pid: int
    parent: int
    session: int
    start_time: int  # clock ticks since boot
    state: str  # the letter of proc(5)
    name: str = ""
    fields: Sequence[str] = ()  # from the fourth on

    def number(self, field: int) -> int:
        """Return a field by its number in proc(5)."""
        return int(self.fields[field - 4])

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended; a zombie has."""
        return self.state in "ZXx"


def stat(pid: int) -> Stat | None:
    """Read /proc/PID/stat; None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    head, _, tail = text.rpartition(")")  # the name before it may have any characters
    state, *fields = tail.split()
    parent, session, start = int(fields[0]), int(fields[2]), int(fields[18])
    return Stat(pid, parent, session, start, state, head.partition("(")[2], fields)


def start_time(pid: int) -> int | None:
    """Return the start time of the process, in clock ticks since boot; None if there is none."""
    found = stat(pid)
    return None if found is None else found.start_time


def age(start_time: int) -> float:
    """Return the seconds since `start_time`, the start time of a process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_time / TICKS


def state(pid: int) -> str | None:
    """Return the letter of the process's state (proc(5)); None if there is none."""
    found = stat(pid)
    return None if found is None else found.state


def alive(pid: int, start: int) -> bool:
    """Whether exactly this process runs; a zombie does not."""
    found = stat(pid)
    return found is not None and found.start_time == start and not found.has_ended


def use(pid: int) -> Use | None:
    """Return what the process uses now; None if there is none, or if it is a zombie."""
    found = stat(pid)
    try:
        _, resident, of_files, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    if found is None or found.has_ended:
        return None
    return Use(
        cpu_ns=sum(map(found.number, (14, 15, 16, 17))) * (1_000_000_000 // TICKS),
        resident=int(resident) * _PAGE,
        anonymous=max(0, int(resident) - int(of_files)) * _PAGE,
        faults=found.number(10) + found.number(11),
        major_faults=found.number(12) + found.number(13),
        threads=found.number(20),
    )


def is_ours(pid: int) -> bool:
    """Whether the process has the daemon's user; other users' processes may have any name."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def arguments(pid: int, limit: int = ARGUMENTS_LIMIT) -> list[str]:
    """Return the argument list of a process, at most `limit` bytes; [] if there is no process.

    A process can show any of its memory there, of any size. If that memory is a mapped file, the
    read may be slow or never end: do not call this on the event loop.
    """
    try:
        raw = _beginning(f"/proc/{pid}/cmdline", limit)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return os.fsdecode(raw).removesuffix("\0").split("\0") if raw else []


def environment(pid: int) -> list[bytes]:
    """Return the variables with which a process was started, with the same limit. OSError."""
    return _beginning(f"/proc/{pid}/environ", ARGUMENTS_LIMIT).split(b"\0")


def _beginning(path: str, limit: int) -> bytes:
    with Path(path).open("rb", buffering=0) as file:
        data = b""
        while len(data) < limit and (more := file.read(limit - len(data))):
            data += more
        return data


def find_by_cmdline(
    predicate: Callable[[list[str]], bool], *, among: Callable[[int], bool] = lambda pid: True
) -> list[int]:
    """Return the pids whose argument list `predicate` accepts; reads every process.

    `among` decides by the pid whether the arguments are read. The runtime searches for its own
    programs and leaves out containers: a container could look like a program of the runtime, or
    block the reader forever.
    """
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if among(pid) and (words := arguments(pid)) and predicate(words)]


def named(*beginnings: str) -> Callable[[int], bool]:
    """Return a function for `among`: whether the program's name has one of these beginnings."""

    def is_named(pid: int) -> bool:
        try:
            name = Path(f"/proc/{pid}/comm").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsdecode(name).startswith(beginnings)

    return is_named


def in_our_pid_namespace(pid: int) -> bool:
    """For `among`: excludes processes of containers, unless they have the node's pid namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # One number for each namespace from this one down to the process's own. The name is first and
    # may have any text, but its newlines are escaped.
    found = re.search(rb"^NSpid:\t(\d+)$", status, re.MULTILINE)
    return found is not None


def parse_capabilities(mask: int) -> frozenset[str]:
    """Return the names ("CAP_CHOWN") of the bits of a capability mask, without unknown bits."""
    return frozenset(f"CAP_{name}" for bit, name in enumerate(_CAPABILITIES) if mask >> bit & 1)


def own_bounding_caps() -> frozenset[str]:
    """Return the most capabilities that the daemon can give to a container."""
    return parse_capabilities(_own_mask("CapBnd"))


def own_effective_caps() -> frozenset[str]:
    """Return the daemon's own effective capabilities."""
    return parse_capabilities(_own_mask("CapEff"))


def _own_mask(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value, 16)
    raise OSError(f"/proc/self/status has no {key}")


def own_oom_score_adj() -> int:
    """Return this process's OOM score adjustment. Without CAP_SYS_RESOURCE it cannot be lower."""
    return int(Path("/proc/self/oom_score_adj").read_text())


def become_subreaper(inherit: bool = True) -> None:
    """Start or stop inheriting the orphans among the descendants, which aio.reaper then reaps."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, int(inherit))
