"""Scheduler, io priority and memory policy of processes, in the words of the OCI document.

The values are those of process.scheduler, process.ioPriority and linux.memoryPolicy; the caller has
checked the names in them. Threads inherit all three, also through an execve.
"""

import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cri_shim.linux import syscalls

_POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4}
_POLICIES |= {"SCHED_IDLE": 5, "SCHED_DEADLINE": 6}
_FLAGS = {
    name: 1 << bit
    for bit, name in enumerate(
        (
            *("SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"),
            *("SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS"),
            *("SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"),
        )
    )
}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # sched_attr, size 48
_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_PROCESS, _CLASS_SHIFT = 1, 13
_MODES = (
    *("MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL"),
    *("MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"),
)
_MODE_FLAGS = {
    "MPOL_F_STATIC_NODES": 1 << 15,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_NUMA_BALANCING": 1 << 13,
}
_MOST_NODES = 1024
_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", re.ASCII)


def set_scheduler(pid: int, scheduler: Mapping[str, Any]) -> None:
    """Set the scheduler of all threads of a process. Raises OSError."""
    attributes = _ATTRIBUTES.pack(
        _ATTRIBUTES.size,
        _POLICIES[scheduler["policy"]],
        sum(_FLAGS[flag] for flag in scheduler.get("flags", ())),
        scheduler.get("nice", 0),
        scheduler.get("priority", 0) & 0xFFFFFFFF,
        *(scheduler.get(name, 0) for name in ("runtime", "deadline", "period")),
    )
    for thread in _threads(pid):
        syscalls.sched_setattr(thread, attributes)


def set_io_priority(pid: int, priority: Mapping[str, Any]) -> None:
    """Set the io priority of all threads of a process. Raises OSError."""
    value = _CLASSES[priority["class"]] << _CLASS_SHIFT | int(priority.get("priority", 0))
    for thread in _threads(pid):
        syscalls.ioprio_set(_PROCESS, thread, value)


def _threads(pid: int) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


@contextmanager
def memory_policy(policy: Mapping[str, Any]) -> Iterator[None]:
    """Let this thread have the memory policy, so that processes it starts inherit it.

    OSError, also for nodes that the machine has not.
    """
    mode = _MODES.index(policy["mode"])
    mode |= sum(_MODE_FLAGS[flag] for flag in policy.get("flags", ()))
    nodes = _mask(policy.get("nodes", ""))
    syscalls.set_mempolicy(mode, nodes, _MOST_NODES + 1 if nodes else 0)
    try:
        yield
    finally:
        with suppress(OSError):  # the default is always allowed
            syscalls.set_mempolicy(0, None, 0)


def _mask(nodes: str) -> bytes | None:
    """Return the bit mask of a list such as "0-1,3"; None for none."""
    mask = 0
    for part in filter(None, nodes.split(",")):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise OSError(22, os.strerror(22), nodes)
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < _MOST_NODES:
            raise OSError(22, os.strerror(22), nodes)
        mask |= (1 << last + 1) - (1 << first)
    return mask.to_bytes(_MOST_NODES // 8, "little") + bytes(8) if mask else None
