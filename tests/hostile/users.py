"""Another user of this machine, for the time of a call."""

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NOBODY = 65534
_ARM = platform.machine() == "aarch64"
_SETGROUPS, _SETRESGID, _SETRESUID = (159, 149, 147) if _ARM else (116, 119, 117)


def as_user(uid: int, gid: int, call: Callable[[], T]) -> T:
    """The result of `call()` in a thread that has these ids and no capability.

    By system calls of our own: those of the C library would change all threads.
    """
    results: list[T] = []

    def body() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        words = [(_SETGROUPS, 0, 0), (_SETRESGID, gid, gid, gid), (_SETRESUID, uid, uid, uid)]
        for number, *arguments in words:
            if libc.syscall(number, *(ctypes.c_long(argument) for argument in arguments)):
                raise OSError(ctypes.get_errno(), f"system call {number}")
        results.append(call())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return results[0]


def everything_below(*tops: Path) -> list[Path]:
    """Every directory and file there is, as root sees it."""
    found = []
    for top in tops:
        for directory, _, files in os.walk(top):
            found += [Path(directory), *(Path(directory, file) for file in files)]
    return found


def reachable(paths: Iterable[Path], uid: int = NOBODY, gid: int = NOBODY) -> set[Path]:
    """Which of them this user may read, write, pass or execute."""

    def look() -> set[Path]:
        kinds = (os.R_OK, os.W_OK, os.X_OK)
        return {path for path in paths if any(os.access(path, kind) for kind in kinds)}

    return as_user(uid, gid, look)
