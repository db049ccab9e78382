"""The owner of the pipes that a process has as its standard streams.

Some images log to /dev/stdout by name. Only the owner of a pipe may open it by name. A pipe belongs
to its maker, which is conmon or this process: root on the node, and nobody (the overflow id) in a
user namespace. Not every OCI runtime gives each pipe to the process's user, so it is done here.
"""

from collections.abc import Mapping
from typing import Any

from cri_shim.engine import Engine
from cri_shim.linux import descriptors
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns


def owner(engine: Engine, container: state.ContainerRecord, process: Mapping[str, Any]) -> int:
    """Return the node's uid of the user of `process`; -1 if the pod's id map does not have it."""
    uid = int(process["user"]["uid"])
    ids = userns.of_pod(engine.objects.pod(container.pod_id).config)
    if ids is None:
        return uid
    found = ids.users.on_node(uid)
    return -1 if found is None else found


def give_to_user(engine: Engine, container: state.ContainerRecord) -> None:
    """Give a created container's pipes to its user, before its program begins."""
    process = bundle.spec(engine.paths.bundle(container.id))["process"]
    init = container.init
    descriptors.give_pipes(init.pid, init.start_time, owner(engine, container, process))
