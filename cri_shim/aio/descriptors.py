"""How many descriptors the daemon may have, and how many the programs it starts.

The soft limit that a process is given is low, 1024 by convention, for programs that use select().
The daemon raises its own to the hard limit. What it starts is given the one that was there before,
and the documents of containers name it (spec/process), for a program may be quicker than we are.
"""

import contextlib
import resource

RESERVE = 256  # the last descriptors, which are not for clients' connections

_inherited: tuple[int, int] | None = None  # soft and hard, before we have raised the soft one


def raise_limit() -> None:
    """Raise this process's soft limit to its hard limit."""
    global _inherited
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    with contextlib.suppress(OSError, ValueError):  # above the kernel's nr_open
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        _inherited = soft, hard


def limit() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_last(fd: int) -> bool:
    """Whether a descriptor that was just made is one of the last: all below it are in use."""
    most = limit()
    return fd >= most - min(RESERVE, most // 4)


def for_children() -> tuple[int, int] | None:
    """The soft and hard limit that children are to have; None if they just inherit ours."""
    return _inherited


def restore(pid: int) -> None:
    """Give a child that was just started the limit which this process had."""
    if _inherited is None:
        return
    # It may have ended already, or be set-uid root and then no business of a user's daemon.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, _inherited)
