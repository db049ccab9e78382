"""A pod that lives as long as `run`: its container's output, signals, and its removal.

The call RunPod stays open meanwhile. When this program ends in whatever way, the call ends, and the
daemon removes the pod.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

from cri_shim.cli.interrupts import Interrupts
from cri_shim.cli.run_request import LOG
from cri_shim.errors import CriShimError

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.pb import api_pb2
    from cri_shim.pb.control_pb2 import RunPodResponse as Made
    from cri_shim.rpc.client import Client
    from cri_shim.wire.remotecommand import Outcome

_PATIENCE_S = 0.7  # until the user is told what is waited for


class RunPod:
    """Call `run`, and `end` after it in every case."""

    def __init__(self, client: "Client", settings: "Config", signals: Interrupts) -> None:
        self._client = client
        self._settings = settings
        self._signals = signals
        self._call: AsyncIterator[Made] | None = None
        self._made: asyncio.Task[Made] | None = None
        self._name = ("", "")  # namespace and name of the pod
        self._container = ""  # its id, when its program may run
        self._detached = False

    async def run(
        self,
        pod: "api_pb2.PodSandboxConfig",
        container: "api_pb2.ContainerConfig",
        args: argparse.Namespace,
    ) -> int:
        """Run the container to its end, or detach from it; return the exit code."""
        from cri_shim.pb import control_pb2 as control

        self._name = pod.metadata.namespace, pod.metadata.name
        request = control.RunPodRequest(config=pod, runtime_handler=args.runtime)
        self._call = aiter(self._client.control.RunPod(request))
        self._made = asyncio.create_task(_first(self._call))
        work = asyncio.create_task(self._work(pod, container, args))
        try:
            if not await self._interrupted(work):
                return await work
            return 128 + (self._signals.first or 0)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    # -- signals ------------------------------------------------------------------------------

    async def _interrupted(self, work: "asyncio.Task[int]") -> bool:
        """Pass signals on to the program; return whether one asks for the end of the pod."""
        asked = 0
        patience: float | None = None
        while True:
            if await self._signals.or_done(work, patience):
                number = self._signals.last
                asked += 1
                if not self._container or asked > 1 or not await self._pass_on(number):
                    return True
                patience = _PATIENCE_S
            elif work.done():
                return False
            else:
                patience = None
                name = Signals(self._signals.last).name
                _tell(f"{name} was passed on to the command; again to kill it")

    async def _pass_on(self, number: int) -> bool:
        """Send a signal to the program; return False if it would have no effect."""
        from cri_shim.pb import control_pb2 as control

        with suppress(CriShimError):  # it has just ended
            if not await self._heeds(number):
                return False
            await self._client.control.KillContainer(
                control.KillContainerRequest(container_id=self._container, signal=str(number))
            )
        return True

    async def _heeds(self, number: int) -> bool:
        """Return whether the first process catches the signal: the kernel drops it otherwise."""
        from cri_shim.pb import control_pb2 as control

        top = control.TopContainerRequest(container_id=self._container)
        processes = (await self._client.control.TopContainer(top)).processes
        first = next((process.host_pid for process in processes if process.pid == 1), 0)
        try:
            status = Path(f"/proc/{first}/status").read_text()
        except OSError:
            return True
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)

    # -- the container ------------------------------------------------------------------------

    async def _work(
        self,
        pod: "api_pb2.PodSandboxConfig",
        container: "api_pb2.ContainerConfig",
        args: argparse.Namespace,
    ) -> int:
        from cri_shim.pb import api_pb2 as api
        from cri_shim.pb import control_pb2 as control

        assert self._made is not None
        made = await asyncio.shield(self._made)
        request = api.CreateContainerRequest(
            pod_sandbox_id=made.pod_sandbox_id, config=container, sandbox_config=pod
        )
        id = (await self._client.runtime.CreateContainer(request)).container_id
        if args.detach:
            await self._client.runtime.StartContainer(api.StartContainerRequest(container_id=id))
            await self._client.control.DetachPod(
                control.DetachPodRequest(pod_sandbox_id=made.pod_sandbox_id, remove=args.rm)
            )
            self._detached = True
            print(made.pod_sandbox_id)
            return 0
        if args.tty:
            return await self._on_terminal(id, stdin=args.interactive)
        return await self._logged(id, Path(made.log_directory, LOG), stdin=args.interactive)

    async def _on_terminal(self, id: str, *, stdin: bool) -> int:
        from cri_shim.cli.conversation import exit_code

        self._container = id
        exit_code(await self._attached(id, stdin=stdin, output=True))
        return await self._exit_code(id)

    async def _logged(self, id: str, log: Path, *, stdin: bool) -> int:
        """Start the container and show its log, in which both outputs are complete."""
        from cri_shim.cli.conversation import show
        from cri_shim.oci.log_file import LogQuery, read
        from cri_shim.pb import api_pb2 as api

        talking: asyncio.Task[Outcome] | None = None
        if stdin:
            talking = asyncio.create_task(self._attached(id, stdin=True, output=False))
        else:
            await self._client.runtime.StartContainer(api.StartContainerRequest(container_id=id))
        self._container = id
        ending = asyncio.create_task(self._ended(id, talking))
        try:
            async for entry in read(log, LogQuery(), ending):
                show(2 if entry.stream == "stderr" else 1, entry.written())
            return await ending
        finally:
            tasks = [task for task in (ending, talking) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ended(self, id: str, talking: "asyncio.Task[Outcome] | None") -> int:
        """Return the exit code; raise the error of a session that could not start the container."""
        from cri_shim.cli.conversation import exit_code

        code = asyncio.create_task(self._exit_code(id))
        try:
            if talking is not None:
                await asyncio.wait([code, talking], return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait([talking], timeout=_PATIENCE_S)
                if talking.done():
                    exit_code(talking.result())
            return await code
        finally:
            code.cancel()
            await asyncio.gather(code, return_exceptions=True)

    async def _attached(self, id: str, *, stdin: bool, output: bool) -> "Outcome":
        """Start the container with a session from its first moment on; return how that ended."""
        from cri_shim.cli.conversation import converse
        from cri_shim.pb import control_pb2 as control

        request = control.AttachRequest(
            container_id=id, stdin=stdin, stdout=output, tty=output, start=True
        )
        url = (await self._client.control.Attach(request)).url
        file = self._settings.streaming.tls_cert_file
        return await converse(url, Path(file) if file else None, stdin=stdin, tty=output)

    async def _exit_code(self, id: str) -> int:
        from cri_shim.pb import control_pb2 as control

        answer = await self._client.control.WaitContainer(
            control.WaitContainerRequest(container_id=id)
        )
        return int(answer.exit_code)

    # -- the end ------------------------------------------------------------------------------

    async def end(self) -> None:
        """Remove the pod; on a signal, leave that to the daemon."""
        if self._made is None or self._detached:
            return
        removing = asyncio.create_task(self._remove())
        patience: float | None = _PATIENCE_S
        try:
            while not removing.done():
                if await self._signals.or_done(removing, patience):
                    _tell("the daemon removes the pod")
                    return
                if not removing.done():
                    waits = await self._waits_for()
                    _tell(f"removing the pod{waits}; Ctrl-C again leaves it to the daemon")
                    patience = None
            if (error := removing.exception()) is not None:
                _tell(f"the pod is not removed yet: {error}; the daemon tries again")
        finally:
            removing.cancel()
            await asyncio.gather(removing, return_exceptions=True)

    async def _waits_for(self) -> str:
        """Return what the daemon waits for, such as a CNI plugin, or ""."""
        from cri_shim.pb import control_pb2 as control

        with suppress(CriShimError):
            asked = control.ListChangingPodsRequest()
            answer = await self._client.control.ListChangingPods(asked)
            for pod in answer.pods:
                if (pod.namespace, pod.name) == self._name and pod.waits_for:
                    return f", waiting for {pod.waits_for}"
        return ""

    async def _remove(self) -> None:
        """Remove the pod, also one that is still being made. A pod that failed is gone."""
        from cri_shim.pb import api_pb2 as api

        assert self._made is not None
        await asyncio.wait([self._made])
        if self._made.exception() is not None:
            return
        id = self._made.result().pod_sandbox_id
        await self._client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=id))
        await self._client.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=id))


async def _first(answers: "AsyncIterator[Made]") -> "Made":
    return await anext(answers)


def _tell(text: str) -> None:
    with suppress(OSError):  # the reader has closed it
        print(f"cri-shim: {text}", file=sys.stderr, flush=True)
