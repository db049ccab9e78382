"""A pod's namespaces, pinned to files.

A fresh thread unshares them, sets them up, and binds its own /proc/self/task/TID/ns entries to
files. Then the thread ends, and the mounts alone keep the namespaces: half a millisecond, no
process. The thread must not be used again, so it is a new one and not one of a pool.

A network namespace is pinned where `ip netns` looks, in a directory that is a shared mount, so that
plugins in other mount namespaces see it too.
"""

import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path

from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.isolation import sysctls as isolation_sysctls
from cri_shim.isolation.sysctls import Parameter
from cri_shim.linux import mounts, nsenter, privacy, process, syscalls

KINDS = {
    "net": syscalls.CLONE_NEWNET,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def pin(
    paths: Mapping[str, Path],
    *,
    hostname: str | None,
    sysctls: Iterable[Parameter] = (),
    shared: bool = True,
) -> None:
    """Make new namespaces of the kinds of `paths` ("net", "ipc", "uts"), each pinned to its path.

    Brings the loopback interface up, and sets `hostname` (which needs "uts") and `sysctls`. For
    `shared` see `make_places`. A failure leaves nothing. Raises InvalidArgument for a parameter
    that the kernel refuses, and OSError naming the step and path for other failures.
    """
    if hostname is not None and "uts" not in paths:
        raise InvalidArgument("config.hostname", "the pod shares the node's uts namespace")
    make_places(paths, shared=shared)
    made: list[Path] = []

    def work() -> None:
        flags = 0
        for kind in paths:
            flags |= KINDS[kind]
        step("unshare", syscalls.unshare, flags)
        set_up(paths, hostname)
        isolation_sysctls.write(sysctls)
        task = Path(f"/proc/self/task/{threading.get_native_id()}/ns")
        for kind, target in paths.items():
            step(f"pin the {kind} namespace", bind, task / kind, target, made)

    try:
        nsenter.in_fresh_thread(work)
    except BaseException:
        for path in made:
            unpin(path)
        raise


def make_places(paths: Mapping[str, Path], *, shared: bool) -> None:
    """Make the directories for the pins of namespaces.

    `shared`: plugins in other mount namespaces see the network namespaces. An unprivileged user
    has no such plugins, and slirp4netns unmounts everything that it sees in its sandbox.
    """
    for kind, path in paths.items():
        if kind != "net":
            privacy.make_private(path.parent)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if shared:
            share(path.parent)


def set_up(kinds: Container[str], hostname: str | None) -> None:
    """Set loopback and host name in the new namespaces of the calling thread."""
    if "net" in kinds:
        step("bring the loopback interface up", _loopback_up)
    if hostname is not None:
        step(f"set the host name {hostname!r}", socket.sethostname, hostname)


def step(what: str, call: Callable[..., object], *args: object) -> None:
    """Call `call(*args)`; an OSError from it names the step `what`."""
    try:
        call(*args)
    except OSError as e:
        raise OSError(e.errno, f"cannot {what}: {e.strerror}", e.filename) from e


def bind(namespace: Path, target: Path, made: list[Path]) -> None:
    """Pin a namespace (its file in /proc) to `target`, a new file, which is added to `made`."""
    os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    made.append(target)
    mounts.bind(namespace, target)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def share(directory: Path) -> None:
    """Make `directory` a mount point with shared propagation, as `ip netns` does."""
    try:
        mounts.make_shared(directory)
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
    else:
        return
    # Not a mount point yet. Two processes that find this at once must not mount one over the
    # other's pins, so both take the lock of `ip netns`.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if not mounts.is_mounted(directory):
            mounts.bind(directory, directory, recursive=True)
        mounts.make_shared(directory)
    finally:
        os.close(fd)


def unpin(path: Path) -> None:
    """Unpin a namespace: it ends with its last user. Idempotent."""
    mounts.unmount(path)
    path.unlink(missing_ok=True)


def bind_pid_ns(pid: int, start_time: int, path: Path) -> None:
    """Pin the pid namespace of a process, identified by pid and start time, to `path`.

    Raises NotFound if that process no longer runs.
    """
    fd = _open_pid_ns(pid, start_time)
    made: list[Path] = []
    try:
        privacy.make_private(path.parent)
        step("pin the pid namespace", bind, Path(f"/proc/self/fd/{fd}"), path, made)
    except BaseException:
        for target in made:
            unpin(target)
        raise
    finally:
        os.close(fd)


def _open_pid_ns(pid: int, start_time: int) -> int:
    gone = f"process {pid}, whose pid namespace was to be kept, is gone"
    try:
        fd = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as e:
        raise NotFound(gone) from e
    # The descriptor is opened first: if the start time matches now, it belongs to that process.
    if not process.alive(pid, start_time):
        os.close(fd)
        raise NotFound(gone)
    return fd
