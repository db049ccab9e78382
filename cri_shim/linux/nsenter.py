"""Namespaces that are pinned to files: whether one is, and work inside it; mounts of one's own.

The work runs in a thread of its own that then ends, because a thread cannot leave a namespace.
"""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from cri_shim.errors import NotFound
from cri_shim.linux import syscalls

T = TypeVar("T")


def is_pinned(path: Path) -> bool:
    """Whether a namespace is pinned to `path`; an unpinned one leaves a plain file, or none."""
    try:
        return path.stat().st_dev == Path("/proc/self/ns/mnt").stat().st_dev
    except OSError:
        return False


def in_netns(path: Path, work: Callable[[], T]) -> T:
    """Run `work` in a fresh thread inside the network namespace pinned to `path`.

    Returns its result. Raises NotFound if there is no namespace, and all errors of `work`.
    """

    def body() -> T:
        try:
            enter(path, syscalls.CLONE_NEWNET)
        except FileNotFoundError as e:
            raise NotFound(f"network namespace {path} is gone") from e
        return work()

    return in_fresh_thread(body)


def in_each_netns(paths: Iterable[Path], work: Callable[[], T]) -> list[T | None]:
    """Like `in_netns` for each path in turn, all in one thread; None if a namespace is gone."""

    def visit(path: Path) -> T | None:
        try:
            enter(path, syscalls.CLONE_NEWNET)
        except OSError:  # unpinned: no such file, or a plain one
            return None
        return work()

    return in_fresh_thread(lambda: [visit(path) for path in paths])


def in_own_mounts(work: Callable[[], T]) -> T:
    """Run `work` in a fresh thread with a mount namespace of its own; return its result.

    Nobody else sees its mounts, and they end with it, also if the process is killed. What is
    unmounted elsewhere meanwhile is unmounted here, too, if the node's mounts are shared.
    """

    def body() -> T:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        return work()

    return in_fresh_thread(body)


def enter(path: Path, kind: int) -> None:
    """Move the calling thread into a pinned namespace."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, kind, path)
    finally:
        os.close(fd)


def in_fresh_thread(work: Callable[[], T]) -> T:
    """Run `work` in a new thread that ends with it; return its result or raise its error."""
    result: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            result.append(work())
        except BaseException as e:
            failure.append(e)

    thread = threading.Thread(target=body, name="namespaces")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
