"""The process that holds a user's namespaces, and the file in the run root with its pid.

RUN_ROOT/holder     "PID START_TIME", locked while a process makes, joins or ends the holder
"""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cri_shim.errors import RootlessError
from cri_shim.linux import process, syscalls
from cri_shim.linux.process_handle import Known, Process

NAME = "holder"
_GO = b"g"
_MESSAGE_LIMIT = 1 << 12  # bytes of a child's error message


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    start_time: int

    def alive(self) -> bool:
        return process.alive(self.pid, self.start_time)


class HolderFile:
    """The file, open and locked."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self._path = path

    def read(self) -> Holder | None:
        """Return the holder if it is alive."""
        words = os.pread(self._fd, 64, 0).split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            return None  # never written, or not completely
        found = Holder(*map(int, words))
        return found if found.alive() else None

    def write(self, holder: Holder) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{holder.pid} {holder.start_time}\n".encode(), 0)

    def clear(self) -> None:
        os.ftruncate(self._fd, 0)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def record(run_root: Path) -> Iterator[HolderFile]:
    """Yield the record of a run root, locked during the block; make the file if it is missing."""
    path = run_root / NAME
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise RootlessError(f"cannot open {path}: {e.strerror}") from e
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise RootlessError(f"{path} is not a regular file: remove it")
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):  # otherwise its last user has just removed it
                yield HolderFile(fd, path)
                return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def fork_new() -> tuple[int, int]:
    """Fork a child into new user and mount namespaces; return its pid and a pipe for `release`.

    The child waits. The caller maps its ids, records it and releases it; if the caller dies before
    that, the child ends too. RootlessError has the kernel's reason, and what to do.
    """
    ready_r, ready_w = os.pipe2(os.O_CLOEXEC)
    release_r, release_w = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(release_w)
        _wait_in_new_namespaces(ready_w, release_r)
    os.close(ready_w)
    os.close(release_r)
    answer = os.read(ready_r, _MESSAGE_LIMIT)
    os.close(ready_r)
    if answer != _GO:
        os.close(release_w)
        os.waitpid(pid, 0)
        raise RootlessError(answer.decode() or "the child for a user namespace died")
    return pid, release_w


def release(release_w: int) -> None:
    """Let the child of `fork_new` become the holder."""
    os.write(release_w, _GO)
    os.close(release_w)


def start_here() -> int:
    """Start a holder of the namespaces that this process is already in; return its pid."""
    null = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            [_sleep(), "infinity"],
            stdin=null, stdout=null, stderr=null, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as e:
        raise RootlessError(f"cannot start {_sleep()} to hold the namespaces: {e}") from e
    process.returncode = 0  # the holder outlives this process, so Popen must not wait for it
    return process.pid


def end(known: Known) -> None:
    """Kill a holder and, if it is a child of ours, reap it; idempotent."""
    with Process.of(known) as holder:
        holder.send(signal.SIGKILL)
        holder.reap()


def _wait_in_new_namespaces(ready_w: int, release_r: int) -> NoReturn:
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        # Later mounts of the machine must appear here, and mounts here not on the machine.
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        os.write(ready_w, _GO)
        if os.read(release_r, 1) == _GO:
            _hold()
    except OSError as e:
        os.write(ready_w, _refusal(e).encode())
    finally:
        os._exit(1)


def _hold() -> NoReturn:
    """Become `sleep`, in a session of its own and with no file of ours."""
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.execv(_sleep(), ["sleep", "infinity"])
    finally:
        os._exit(1)


def _sleep() -> str:
    return shutil.which("sleep") or "/bin/sleep"


def _refusal(error: OSError) -> str:
    limit = Path("/proc/sys/user/max_user_namespaces")
    most = limit.read_text().strip() if limit.exists() else "unknown"
    return (
        f"cannot make a user namespace: {error.strerror}; as root, see to it that users may:"
        f" user.max_user_namespaces (now {most}) above 0, kernel.unprivileged_userns_clone = 1"
        " and kernel.apparmor_restrict_unprivileged_userns = 0 where this kernel has them"
    )
