"""Sends a signal to a container's init: no grace period, no wait for the end."""

from cri_shim import lifecycle
from cri_shim.containers.pause import thaw
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.faults import fault_point
from cri_shim.linux.process_handle import Process
from cri_shim.spec import signals


async def kill(engine: Engine, container_id: str, signal: int | str = "SIGKILL") -> None:
    """Send `signal`, a number or a name such as "SIGTERM", "term" or "RTMIN+3".

    A paused container is thawed, so that the signal takes effect. InvalidArgument for an unknown
    signal; WrongState if the container does not run.
    """
    number = signals.parse(str(signal), "signal")
    id = engine.objects.container(container_id).id
    async with engine.objects.lock(id):  # waits for a start or pause in progress
        container = engine.objects.container(id)
        if not lifecycle.is_running(container):
            raise WrongState(f"container {id} is not running: there is nothing to signal")
        fault_point("containers.kill.send")
        with Process.of(container.init) as init:
            init.send(number)
        await thaw(engine, id)
