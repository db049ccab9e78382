"""The steps of a node with a pod and with an image, from creation to removal.

Each step can be repeated after it failed or after the daemon died in it, as the kubelet does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig
from tests.fixtures import busybox
from tests.fixtures.cri import container_config, pod_config

GRACE_S = 10
# It survives SIGTERM, and its children outlive it, because its pid namespace is shared.
STUBBORN = "trap 'echo term' TERM; echo ready; while :; do sleep 600 & wait; done"


async def _no() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `undone`: a failure restores the state before it; otherwise later steps clean up.

    `complete` returns whether the step was done completely, although the daemon died before its
    answer.
    """

    name: str
    act: Callable[[], Awaitable[None]]
    undone: bool = False
    complete: Callable[[], Awaitable[bool]] = _no


@dataclass(frozen=True, slots=True)
class Break:
    """The point where a scenario was interrupted, and the state before that step."""

    at: int
    step: Step
    before: set[str]
    failed: bool  # False: the step was done, and its background work failed

    async def undone(self, rig: Rig) -> None:
        """Return when the state is as before the step, if the step promises that."""
        if self.step.undone and self.failed and not await self.step.complete():
            await rig.becomes(self.before)


class PodScenario:
    """A pod with a shared pid namespace, so that it has a pause process, and one container.

    The container has an image volume, and a directory of the node.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._config = pod_config(
            rig.daemon,
            linux=api.LinuxPodSandboxConfig(sysctls={"net.ipv4.conf.eth0.rp_filter": "0"}),
            hostname="h",
        )
        self.pod = self.container = ""
        self._attempt = 0
        self.steps: Sequence[Step] = [
            Step("run pod", self._run, undone=True),
            Step("create container", self._create, undone=True),
            Step("start container", self._start),
            Step("stop container", self._stop),
            Step("remove container", lambda: rig.cri.remove(self.container)),
            Step("stop pod", lambda: rig.cri.stop_pod(self.pod)),
            Step("remove pod", lambda: rig.cri.remove_pod(self.pod)),
        ]

    async def _run(self) -> None:
        self.pod = await self._rig.cri.run_pod(self._config)

    async def _create(self) -> None:
        config = container_config(["sh", "-c", STUBBORN], linux=api.LinuxContainerConfig())
        config.metadata.attempt = self._attempt
        image = api.ImageSpec(image=busybox.NAME)
        config.mounts.add(container_path="/volume", readonly=True, image=image)
        volume = self._rig.daemon.directory / "volume"
        volume.mkdir(exist_ok=True)
        config.mounts.add(container_path="/data", host_path=str(volume))
        self.container = await self._rig.cri.create(self.pod, config)

    async def _start(self) -> None:
        """Start the container; after a failed start make it again, and accept a running one."""
        state = (await self._rig.cri.status(self.container)).state
        if state == api.CONTAINER_EXITED:
            await self._rig.cri.remove(self.container)
            self._attempt += 1
            await self._create()
        if state != api.CONTAINER_RUNNING:
            await self._rig.cri.start(self.container)
        await self._rig.until(lambda: "ready" in self._said())

    def _said(self) -> str:
        log = self._config.log_directory + "/main.log"
        return Path(log).read_text() if Path(log).exists() else ""

    async def _stop(self) -> None:
        """Stop it like a kubelet that has lost patience: a second call shortens the first."""
        patient = asyncio.create_task(self._rig.cri.stop(self.container, GRACE_S))
        await self._rig.until(lambda: patient.done() or "term" in self._said())
        results = await asyncio.gather(
            patient, self._rig.cri.stop(self.container, 0), return_exceptions=True
        )
        for error in filter(None, results):
            raise error


class ImageScenario:
    """For each name, an image of two layers and an artifact: a pull, and the removal."""

    def __init__(self, rig: Rig, *names: str) -> None:
        self.steps = [step for name in names for step in self._steps(rig, name)]

    def _steps(self, rig: Rig, name: str) -> list[Step]:
        spec = api.ImageSpec(image=name)

        async def pull() -> None:
            await rig.cri.image.PullImage(api.PullImageRequest(image=spec))

        async def remove() -> None:
            await rig.cri.image.RemoveImage(api.RemoveImageRequest(image=spec))

        async def present() -> bool:
            answer = await rig.cri.image.ImageStatus(api.ImageStatusRequest(image=spec))
            return bool(answer.image.id)

        return [
            Step("pull", pull, undone=True, complete=present),
            Step("remove image", remove),
        ]


async def break_off(rig: Rig, steps: Sequence[Step], broken: Callable[[], bool]) -> Break:
    """Run the steps until `broken()`; fail if all of them succeed.

    Background work of a step may fail after the step's answer. Then it is retried repeatedly, or it
    has killed the daemon: the state does not settle.
    """
    before = await rig.settled()
    for at, step in enumerate(steps):
        failed = False
        try:
            await step.act()
        except Exception:
            failed = True
            if not broken():
                raise
        if broken():
            return Break(at, step, before, failed)
        try:
            before = await rig.settled(never=broken)
        except Exception:
            if broken():
                return Break(at, step, before, failed)
            raise
    raise AssertionError(f"no step was broken off\n{rig.log()[-4000:]}")
