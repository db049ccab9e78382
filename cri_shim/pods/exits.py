"""Follows exits while the runtime is open, and hands each one to its object.

- exit of a container: containers/exits.py records it; leases.py may remove its pod
- exit of a pause process: it ends its pod, because the shared pid namespace died with it
"""

import logging

from cri_shim import lifecycle
from cri_shim.containers import exits
from cri_shim.engine import Engine
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import leases

_log = logging.getLogger(__name__)


async def follow(engine: Engine) -> None:
    """Follow the exits of containers and pause processes until cancelled."""
    async for exit in engine.oci.exits.events():
        if engine.objects.find_pod(exit.id) is not None:
            _pause_ended(engine, exit.id)
        else:
            exits.ended(engine, exit)
            if (container := engine.objects.find_container(exit.id)) is not None:
                leases.ended(engine, container.pod_id)


def _pause_ended(engine: Engine, pod_id: str) -> None:
    """Make a ready pod NOTREADY; the kubelet then stops it and makes a new one."""
    pod = engine.objects.find_pod(pod_id)
    if pod is not None and lifecycle.is_ready(pod):
        subject = engine.objects.pod_subject(pod_id)
        _log.error("%s: its pause process has ended; the pod is not ready now", subject)
        engine.objects.observe(changed(pod, phase=state.POD_NOTREADY))
