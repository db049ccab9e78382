"""Moves this process into the namespaces of another process.

No second program is executed: setns(2) moves the process with its open files and arguments. The
process must have one thread.
"""

import os
from contextlib import suppress
from pathlib import Path

from cri_shim.errors import RootlessError
from cri_shim.linux import process, syscalls
from cri_shim.rootless.holder import Holder


def join(target: Holder) -> None:
    """Move into the namespaces of a process; check its identity after they are opened."""
    here = Path.cwd()
    opened: list[int] = []
    kinds = {"user": syscalls.CLONE_NEWUSER, "mnt": syscalls.CLONE_NEWNS}
    try:
        for name in kinds:
            opened += [os.open(f"/proc/{target.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)]
        if not target.alive():
            raise RootlessError(f"process {target.pid}, which held the user namespace, has ended")
        for fd, kind in zip(opened, kinds.values(), strict=True):
            syscalls.setns(fd, kind)
    except OSError as e:
        raise RootlessError(
            f"cannot enter the user namespace of process {target.pid}: {e.strerror}"
        ) from e
    finally:
        for fd in opened:
            os.close(fd)
    with suppress(OSError):  # joining a mount namespace moves to its root
        os.chdir(here)
    # New credentials make /proc/self belong to the machine's root, which is unmapped in here.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)


def by_conmon(run_root: Path) -> Holder | None:
    """Find a conmon of this run root: it is in the right namespaces."""

    def is_ours(argv: list[str]) -> bool:
        return "--persist-dir" in argv[:-1] and Path(
            argv[argv.index("--persist-dir") + 1]
        ).is_relative_to(run_root)

    for pid in process.find_by_cmdline(is_ours, among=process.in_our_pid_namespace):
        start = process.start_time(pid)
        if start is not None and process.alive(pid, start) and process.is_ours(pid):
            return Holder(pid, start)
    return None
