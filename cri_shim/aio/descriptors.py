"""The number of descriptors that the daemon and the programs that it starts may have.

A process usually gets a low soft limit, 1024, for programs that use select(). The daemon raises its
own to the hard limit. The programs that it starts get the limit of before, and the documents of
containers name it (spec/process), because a program may open files before `restore` is called.
"""

import contextlib
import resource

RESERVE = 256  # the last descriptors, which clients' connections may not use

_inherited: tuple[int, int] | None = None  # soft and hard, before the soft one was raised


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
    """Return the number of descriptors that this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_last(fd: int) -> bool:
    """Whether a new descriptor is one of the last: all below it are in use."""
    most = limit()
    return fd >= most - min(RESERVE, most // 4)


def for_children() -> tuple[int, int] | None:
    """Return the soft and hard limit for children; None if they inherit the daemon's."""
    return _inherited


def restore(pid: int) -> None:
    """Give a child that was just started the limit that this process had at its start."""
    if _inherited is None:
        return
    # It may have ended already. Or it is set-uid root, and the daemon of a user may not change it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, _inherited)
