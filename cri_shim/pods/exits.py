"""The end of a pause process ends its pod: the shared pid namespace died with it."""

import logging

from cri_shim.engine import Engine
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state

_log = logging.getLogger(__name__)


def pause_ended(engine: Engine, pod_id: str) -> None:
    """Make a ready pod NOTREADY; the kubelet then stops it and makes a new one."""
    pod = engine.objects.find_pod(pod_id)
    if pod is not None and pod.phase == state.POD_READY:
        _log.error("pod %s: its pause process has ended; the pod is not ready now", pod_id)
        engine.objects.observe(changed(pod, phase=state.POD_NOTREADY))
