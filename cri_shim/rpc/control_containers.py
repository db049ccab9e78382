"""The RPCs of Control for containers."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import cast

from cri_shim.containers import commit, copy_from, copy_to, diff, export, kill, pause, top, wait
from cri_shim.containers.top import Process
from cri_shim.engine import Engine
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.change_parts import change_parts
from cri_shim.rpc.ending import Ending
from cri_shim.rpc.pieces import pieces
from cri_shim.rpc.stream_urls import StreamUrls


class ControlContainers:
    """A base class of ControlService."""

    _engine: Engine
    _streams: StreamUrls
    _ending: Ending

    async def Exec(self, request: control.ExecRequest) -> control.ExecResponse:
        return control.ExecResponse(url=self._streams.exec(request))

    async def Attach(self, request: control.AttachRequest) -> control.AttachResponse:
        return control.AttachResponse(url=self._streams.attach(request))

    async def KillContainer(
        self, request: control.KillContainerRequest
    ) -> control.KillContainerResponse:
        await kill.kill(self._engine, request.container_id, request.signal or "SIGKILL")
        return control.KillContainerResponse()

    async def PauseContainer(
        self, request: control.PauseContainerRequest
    ) -> control.PauseContainerResponse:
        await pause.pause(self._engine, request.container_id)
        return control.PauseContainerResponse()

    async def UnpauseContainer(
        self, request: control.UnpauseContainerRequest
    ) -> control.UnpauseContainerResponse:
        await pause.unpause(self._engine, request.container_id)
        return control.UnpauseContainerResponse()

    async def WaitContainer(
        self, request: control.WaitContainerRequest
    ) -> control.WaitContainerResponse:
        condition = cast("wait.Condition", request.condition or "exited")
        waiting = wait.until(self._engine, request.container_id, condition)
        reached = await self._ending.or_result(waiting)
        return control.WaitContainerResponse(exit_code=reached.exit_code)

    async def TopContainer(
        self, request: control.TopContainerRequest
    ) -> control.TopContainerResponse:
        found = await top.top(self._engine, request.container_id)
        return control.TopContainerResponse(processes=map(_process, found))

    async def DiffContainer(
        self, request: control.DiffContainerRequest
    ) -> AsyncIterator[control.DiffResponse]:
        async for part in change_parts(await diff.diff(self._engine, request.container_id)):
            yield part

    async def CommitContainer(
        self, request: control.CommitContainerRequest
    ) -> control.CommitContainerResponse:
        id = await commit.commit(
            self._engine,
            request.container_id,
            request.name,
            author=request.author,
            message=request.message,
            changes=list(request.changes),
            pause=not request.no_pause,
        )
        return control.CommitContainerResponse(id=id)

    async def ExportContainer(
        self, request: control.ExportContainerRequest
    ) -> AsyncIterator[control.ExportContainerResponse]:
        write = partial(export.export, self._engine, request.container_id)
        async with aclosing(pieces(write)) as each:
            async for data in each:
                yield control.ExportContainerResponse(data=data)

    async def CopyFromContainer(
        self, request: control.CopyFromContainerRequest
    ) -> AsyncIterator[control.CopyFromContainerResponse]:
        write = partial(copy_from.copy, self._engine, request.container_id, request.path)
        async with aclosing(pieces(write)) as each:
            async for data in each:
                yield control.CopyFromContainerResponse(data=data)

    async def CopyToContainer(
        self, request: control.CopyToContainerRequest
    ) -> control.CopyToContainerResponse:
        await copy_to.copy(self._engine, request.container_id, request.path, request.source)
        return control.CopyToContainerResponse()


def _process(process: Process) -> control.Process:
    command = [
        word.encode(errors="surrogateescape").decode(errors="replace") for word in process.command
    ]
    return control.Process(
        pid=process.pid,
        host_pid=process.host_pid,
        ppid=process.ppid,
        user=process.user,
        state=process.state,
        tty=process.tty,
        cpu=process.cpu,
        elapsed=process.elapsed,
        command=command or [f"[{process.name}]"],
    )
