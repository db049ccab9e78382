"""StopContainer: the stop signal, a grace period, then SIGKILL until the container has ended.

The stop belongs to the container, not to the call. A cancelled caller does not end it. A second
stop with a shorter time-out shortens the grace period; a longer one never extends it. The stop is
recorded before the signal is sent, so that the next daemon can complete it. Commands can run in the
container until the first SIGKILL.
"""

import asyncio
import logging
import signal
import time

from cri_shim import lifecycle
from cri_shim.activity import Step
from cri_shim.activity.joining import task_of, waiting_for
from cri_shim.aio.offload import join
from cri_shim.containers import pause
from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.faults import fault_point
from cri_shim.linux.process_handle import Process
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import signals
from cri_shim.work import Stopping

START_S = 2.0  # minimum wait for a start in progress to end by itself; it takes some 20 ms
KILL_AGAIN_S = 2.0  # first pause between SIGKILLs to a process that does not die; doubles
KILL_AGAIN_MAX_S = 30.0
_SECOND = 1_000_000_000  # nanoseconds

_log = logging.getLogger(__name__)


async def stop(engine: Engine, container_id: str, timeout: int) -> None:
    """Return when the container has ended; `timeout` in seconds before SIGKILL, <= 0: at once.

    An unknown id is success: a removed container does not run. Unavailable if the runtime is closed
    meanwhile; the next one completes the stop.
    """
    grace = float(max(timeout, 0))
    try:
        container = engine.objects.container(container_id)
        if engine.work.starts.in_flight(container.id):
            _intend(engine, container.id, grace)
            container = await _after_start(engine, container.id, grace)
    except NotFound:
        return
    if lifecycle.has_process(container):
        stopping = _begin(engine, container, grace)
        with waiting_for(stopping.operation):
            await join(stopping.task)
    await engine.plugins.container_stopped(container)


def resume(engine: Engine, container: state.ContainerRecord) -> None:
    """At start: complete the stop that an earlier daemon began, in the background."""
    if container.HasField("stop") and lifecycle.has_process(container):
        grace = max(0.0, (container.stop.kill_at - _boot_clock()) / _SECOND)
        what = engine.objects.container_subject(container.id)
        _log.info("%s: its stop continues, SIGKILL is due in %.1f s", what, grace)
        _begin(engine, container, grace)


def _begin(engine: Engine, container: state.ContainerRecord, grace: float) -> Stopping:
    """Begin a stop, or join the one in progress; `grace` in seconds before SIGKILL."""
    due = asyncio.get_running_loop().time() + grace
    current, operations = engine.work.stopping.get(container.id), engine.work.operations
    if current is None:
        _intend(engine, container.id, grace)
        moved = asyncio.Event()
        operation = operations.begin(
            "StopContainer", engine.objects.container_subject(container.id)
        )
        work = _stop(engine, container, moved)
        task = task_of(operations, operation, work, f"stop {container.id}")
        current = engine.work.stopping[container.id] = Stopping(due, moved, task, operation)
        task.add_done_callback(lambda _: engine.work.stopping.pop(container.id, None))
    elif due < current.deadline:
        _intend(engine, container.id, grace)
        current.deadline = due
        current.moved.set()
    return current


def _intend(engine: Engine, id: str, grace: float) -> None:
    container = engine.objects.find_container(id)
    if container is not None and not container.finished_at:
        fault_point("containers.stop.intend")
        signalled = container.stop.signalled
        kill_at = _boot_clock() + int(grace * _SECOND)
        stop = state.Stop(kill_at=kill_at, signalled=signalled)
        engine.objects.observe(changed(container, stop=stop))


def _boot_clock() -> int:
    """Return nanoseconds since the boot: the time of day may be set meanwhile."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


async def _after_start(engine: Engine, id: str, grace: float) -> state.ContainerRecord:
    """Return the container after its start has ended: before that there is no init.

    A start that takes longer than the grace period hangs in its OCI runtime; it is ended.
    """
    try:
        async with asyncio.timeout(max(grace, START_S)), engine.objects.lock(id):
            return engine.objects.container(id)
    except TimeoutError:
        if not lifecycle.has_process(engine.objects.container(id)):
            await engine.oci.conmon.end(id)
            async with engine.objects.lock(id):
                return engine.objects.container(id)
    return engine.objects.container(id)


async def _stop(engine: Engine, container: state.ContainerRecord, moved: asyncio.Event) -> None:
    await asyncio.sleep(0)  # let `stop` enter this into work.stopping
    stopping = engine.work.stopping[container.id]
    loop = asyncio.get_running_loop()
    current = engine.objects.find_container(container.id)
    if current is not None and current.paused:  # no other pause can begin from now on
        async with engine.objects.lock(container.id):
            await pause.thaw(engine, container.id)
    if stopping.deadline > loop.time():
        _signal(engine, container)
    while stopping.deadline > loop.time():
        moved.clear()
        wait = stopping.deadline - loop.time()
        grace = f"its end after {container.stop_signal or 'SIGTERM'}, the grace period of the stop"
        with Step("grace period", grace, limit=wait, expected=True):
            if await _ended(engine, container.id, moved, wait):
                return
    again = KILL_AGAIN_S
    while True:
        fault_point("containers.stop.kill")
        await pause.thaw(engine, container.id, always=again > KILL_AGAIN_S)
        stopping.killed = True
        with Process.of(container.init) as init:
            init.send(signal.SIGKILL)
        moved.clear()
        with Step("kill", "its process to die after SIGKILL"):
            if await _ended(engine, container.id, moved, again):
                return
        _log.warning(
            "%s still lives %g s after SIGKILL",
            engine.objects.container_subject(container.id),
            again,
        )
        again = min(again * 2, KILL_AGAIN_MAX_S)


def _signal(engine: Engine, container: state.ContainerRecord) -> None:
    """Send the stop signal once: many programs take a second one as an order to hurry."""
    current = engine.objects.find_container(container.id)
    if current is None or current.stop.signalled:
        return
    fault_point("containers.stop.signal")
    with Process.of(container.init) as init:
        init.send(signals.number(container.stop_signal))
    if not current.finished_at:
        sent = state.Stop(kill_at=current.stop.kill_at, signalled=True)
        engine.objects.observe(changed(current, stop=sent))


async def _ended(engine: Engine, id: str, moved: asyncio.Event, wait: float) -> bool:
    """Wait for the end, a shortened deadline or `wait` seconds; return whether it has ended."""

    def has_ended() -> bool:
        container = engine.objects.find_container(id)
        return container is None or not lifecycle.has_process(container)

    end = asyncio.create_task(engine.objects.until(id, has_ended))
    shortened = asyncio.create_task(moved.wait())
    try:
        await asyncio.wait({end, shortened}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
    finally:
        end.cancel()
        shortened.cancel()
    return has_ended()
