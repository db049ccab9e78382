"""A process that became our child because its parent ended: a detached exec of an OCI runtime.

Who expects one holds the reaper (`reaper.held`) until it is adopted here, or the reaper would take
the exit status of a process that ends at once.
"""

import asyncio
import os
import signal

from cri_shim.aio import child
from cri_shim.aio.offload import finish
from cri_shim.errors import ToolFailed

LOST_CODE = 255  # when somebody else has taken the exit status


class Adopted:
    """Followed by its pidfd and reaped at its end. The daemon must be a child subreaper."""

    def __init__(self, pid: int) -> None:
        """ToolFailed if there is no such process any more, or no descriptor left."""
        self.pid = pid
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError as e:
            raise ToolFailed(f"cannot watch process {pid}: {e.strerror}") from e
        child.ours.add(pid)
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            code = LOST_CODE
        child.ours.discard(self.pid)
        self._ended.set_result(code)

    @property
    def running(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """Return the exit code, or minus the signal."""
        return await asyncio.shield(self._ended)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a process that has ended is left alone."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    async def end(self) -> None:
        """Kill, and return when it is reaped, even if this task is cancelled meanwhile."""
        self.kill()
        await finish(self.wait())
