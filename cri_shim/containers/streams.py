"""Whose the pipes are that a process has as its standard streams.

Whoever opens /dev/stdout by name, as images do that log there, must own the pipe: only its owner
may open it. A pipe is its maker's, which is conmon or this process: root of the node, and nobody in
a user namespace. Not every OCI runtime gives each pipe to the process's user, so it is done here.
"""

from collections.abc import Mapping
from typing import Any

from cri_shim.engine import Engine
from cri_shim.linux import descriptors
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns


def owner(engine: Engine, container: state.ContainerRecord, process: Mapping[str, Any]) -> int:
    """What the node knows the user of `process` as; -1 if it is none that the pod can have."""
    uid = int(process["user"]["uid"])
    ids = userns.of_pod(engine.objects.pod(container.pod_id).config)
    if ids is None:
        return uid
    found = ids.users.on_node(uid)
    return -1 if found is None else found


def give(engine: Engine, container: state.ContainerRecord) -> None:
    """Give a created container's pipes to its user, before its program begins."""
    process = bundle.spec(engine.paths.bundle(container.id))["process"]
    init = container.init
    descriptors.give_pipes(init.pid, init.start_time, owner(engine, container, process))
