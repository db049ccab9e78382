"""Processes by pid *and* start time: the kernel may have given the pid alone to another process."""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.linux import syscalls

# In the order of linux/capability.h: the place is the bit.
_CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
""".split()  # noqa: SIM905


ARGUMENTS_LIMIT = 1 << 16  # bytes; the command line of a conmon has some KiB
TICKS = os.sysconf("SC_CLK_TCK")  # of the clock that start times are told by, a second
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """What one process uses: bytes, and time with that of its children that it waited for."""

    cpu_ns: int
    resident: int
    anonymous: int  # of the resident pages, those that belong to no file
    faults: int
    major_faults: int
    threads: int


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of the process table: what /proc/PID/stat says."""

    pid: int
    parent: int
    session: int
    start_time: int  # clock ticks since boot
    state: str  # the letter of proc(5)
    name: str = ""
    fields: Sequence[str] = ()  # from the fourth on

    def number(self, field: int) -> int:
        """A field by its number in proc(5)."""
        return int(self.fields[field - 4])

    @property
    def over(self) -> bool:
        """Whether the process has ended: a zombie has."""
        return self.state in "ZXx"


def stat(pid: int) -> Stat | None:
    """What /proc tells of a process in one line; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    head, _, tail = text.rpartition(")")  # the name before it may hold anything
    state, *fields = tail.split()
    parent, session, start = int(fields[0]), int(fields[2]), int(fields[18])
    return Stat(pid, parent, session, start, state, head.partition("(")[2], fields)


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if there is none."""
    found = stat(pid)
    return None if found is None else found.start_time


def age(start_time: int) -> float:
    """How many seconds ago a process started, of which that is the start time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_time / TICKS


def state(pid: int) -> str | None:
    """The letter of the process's state (proc(5)); None if there is none."""
    found = stat(pid)
    return None if found is None else found.state


def alive(pid: int, start: int) -> bool:
    """Whether that very process runs; a zombie does not."""
    found = stat(pid)
    return found is not None and found.start_time == start and not found.over


def use(pid: int) -> Use | None:
    """What the process uses now; None if there is none, or nothing of it is left."""
    found = stat(pid)
    try:
        _, resident, of_files, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    if found is None or found.over:
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
    """Whether the process runs as the user that we are; what another calls itself means nothing."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def arguments(pid: int, limit: int = ARGUMENTS_LIMIT) -> list[str]:
    """The argument list of a process, `limit` bytes at most; none if there is no process.

    A process can have any memory of its own shown there, of any size. It may be slow to read, or
    never end, where that memory is a file's: not to be called on the event loop.
    """
    try:
        raw = _beginning(f"/proc/{pid}/cmdline", limit)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return os.fsdecode(raw).removesuffix("\0").split("\0") if raw else []


def environment(pid: int) -> list[bytes]:
    """The variables that a process was started with, with the same limit. Raises OSError."""
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
    """The pids whose argument list `predicate` accepts; costs a look at every process.

    `among` says of a pid whether its arguments are looked at. The runtime looks for its own
    programs, and leaves out containers: one could pass itself off as a program of the runtime, or
    keep the reader waiting for ever.
    """
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if among(pid) and (words := arguments(pid)) and predicate(words)]


def named(*beginnings: str) -> Callable[[int], bool]:
    """For `among`: the processes whose program has a name that begins so."""

    def is_named(pid: int) -> bool:
        try:
            name = Path(f"/proc/{pid}/comm").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsdecode(name).startswith(beginnings)

    return is_named


def in_our_pid_namespace(pid: int) -> bool:
    """For `among`: no process of a container, unless it has the pid namespace of the node."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # One number for each namespace from ours down to the process's own; the name, which comes
    # first and may say anything, has its newlines escaped.
    found = re.search(rb"^NSpid:\t(\d+)$", status, re.MULTILINE)
    return found is not None


def parse_capabilities(mask: int) -> frozenset[str]:
    """The names ("CAP_CHOWN") of the bits of a capability mask; unknown bits are left out."""
    return frozenset(f"CAP_{name}" for bit, name in enumerate(_CAPABILITIES) if mask >> bit & 1)


def own_bounding_caps() -> frozenset[str]:
    """What we could hand on to a container at most."""
    return parse_capabilities(_own_mask("CapBnd"))


def own_effective_caps() -> frozenset[str]:
    """What we may do ourselves."""
    return parse_capabilities(_own_mask("CapEff"))


def _own_mask(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value, 16)
    raise OSError(f"/proc/self/status has no {key}")


def own_oom_score_adj() -> int:
    """Our own OOM score adjustment: without CAP_SYS_RESOURCE, children cannot go below it."""
    return int(Path("/proc/self/oom_score_adj").read_text())


def become_subreaper(inherit: bool = True) -> None:
    """Inherit the orphans among our descendants: aio.reaper then sees their ends. Or no more."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, int(inherit))
