"""A child process that has imported a module and waits for its arguments."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from cri_shim.aio.child import Child, Finished, spawn
from cri_shim.aio.offload import finish
from cri_shim.aio.pipes import Budget, Collector, collect
from cri_shim.errors import ToolFailed
from cri_shim.store import python_child

STANDBY_S = 20.0  # a kubelet pulls the images of a pod, and those of a new node, one after another
_OUTPUT_LIMIT = 4 << 20  # bytes kept of its output


class ReadyChild:
    """One process for one `call`."""

    def __init__(self, module: str) -> None:
        """Start it. ToolFailed."""
        self._argv = python_child.command("cri_shim.store.ready_main", module)
        try:
            self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as e:
            raise ToolFailed(f"cannot make a socket for {module}: {e.strerror}") from e
        self._outputs: list[Collector] = []
        try:
            for _ in range(2):
                self._outputs.append(Collector(Budget(_OUTPUT_LIMIT)))
            out, err = self._outputs
            self._process: Child = spawn(
                self._argv, stdin=theirs.fileno(), stdout=out.write_end, stderr=err.write_end,
                cwd="/",
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
        out.started()
        err.started()

    @property
    def running(self) -> bool:
        return self._process.running

    async def call(
        self, *arguments: str, attempt: str, directory: Path, feed: int
    ) -> dict[str, Any]:
        """Run `main(*arguments)`, and return the JSON that it prints; see python_child.call."""
        try:
            message = json.dumps(arguments).encode()
            try:
                socket.send_fds(self._ours, [message], [feed])
            except OSError as e:
                raise ToolFailed(f"{attempt}: the process for it has ended: {e.strerror}") from e
            self._ours.close()
            code = await self._process.wait()
            done = Finished(tuple(self._argv), code, *await collect(*self._outputs))
            return python_child.result(done, attempt, directory)
        except asyncio.CancelledError:
            await finish(self.end())
            raise
        finally:
            self.close()

    async def end(self) -> None:
        """Kill it."""
        try:
            await self._process.end()
        finally:
            self.close()

    def close(self) -> None:
        """Close its socket and its output; if it waits, it ends by itself."""
        self._ours.close()
        for output in self._outputs:
            output.abandon()
