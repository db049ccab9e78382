"""What a pod holds of the node, given back: by its stop, and once more by its removal.

Its network, its namespaces and the pause process in them, its /dev/shm and its files of /etc, which
are in memory. Every step is idempotent. What is left is its record, and a directory.
"""

from cri_shim.aio.steps import Step
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.isolation import etc, namespaces, shm
from cri_shim.linux import mounts
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state

PAUSE_EXIT_WAIT_S = 5.0


def steps(engine: Engine, pod: state.PodRecord) -> list[Step]:
    """In their order: the plugins still find the network namespace."""
    return [
        ("pause process", lambda: _end_pause(engine, pod)),
        ("network", lambda: detach(engine, pod.id)),
        ("network namespace", lambda: _unpin_network(engine, pod.id)),
        ("namespaces", lambda: _unpin(engine, pod.id)),
        ("/dev/shm", lambda: _unmount_shm(engine, pod.id)),
        ("files of /etc", lambda: _unmount_etc(engine, pod.id)),
    ]


def is_due(engine: Engine, pod: state.PodRecord) -> bool:
    """Whether the pod still holds something. A daemon may have died, or been an older one."""
    pinned = any(namespaces.is_pinned(path) for path in engine.paths.pins(pod).values())
    in_memory = (engine.paths.pod(pod.id) / name for name in ("shm", "etc"))
    mounted = any(mounts.is_mounted(path) for path in in_memory)
    return bool(pod.network.attachments) or pinned or mounted


async def detach(engine: Engine, id: str) -> None:
    """DEL on every network the pod may be attached to, once; the record tells when it is done."""
    pod = engine.objects.find_pod(id)
    if pod is None or not pod.network.attachments:
        return
    fault_point("pods.teardown.network")
    await engine.network.detach(pod)
    fault_point("pods.teardown.network_record")
    pod = engine.objects.find_pod(id)
    if pod is None:
        return
    network = state.PodNetwork()
    network.CopyFrom(pod.network)
    del network.attachments[:]
    engine.objects.observe(changed(pod, network=network))


async def _end_pause(engine: Engine, pod: state.PodRecord) -> None:
    """End the shared pid namespace's init, and with it every process that is left in it."""
    where = engine.paths.pod(pod.id) / "pause"
    if not pod.HasField("pause") and not where.exists():
        return
    fault_point("pods.teardown.pause")
    engine.exits.unwatch(pod.id)
    if pod.HasField("pause"):
        await container_stop.kill(pod.pause, PAUSE_EXIT_WAIT_S)
        await container_stop.kill_after(pod.monitor, PAUSE_EXIT_WAIT_S)
    else:
        await engine.conmon.end(pod.id)  # a create that nobody lived to record
    handler = engine.handlers.get(pod.handler)
    if handler is not None:
        await engine.oci.delete(handler, pod.id, force=True)
    engine.conmon.cleanup(pod.id, where)
    await engine.cgroups.remove(engine.cgroups.oci_path(pod.cgroup_parent, pod.id))
    await engine.cgroups.remove_monitor(pod.id)


def _unpin_network(engine: Engine, pod_id: str) -> None:
    pod = engine.objects.find_pod(pod_id)
    if pod is not None and pod.phase != state.POD_REMOVING and pod.network.attachments:
        return  # a plugin has failed, and may need the namespace when it is asked again
    fault_point("pods.teardown.netns")
    namespaces.unpin(engine.paths.netns(pod_id))


def _unpin(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.namespaces")
    for kind in ("pid", "ipc", "uts", "user"):
        namespaces.unpin(engine.paths.pin(pod_id, kind))


def _unmount_shm(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.shm")
    shm.unmount(engine.paths.pod(pod_id) / "shm")


def _unmount_etc(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.etc")
    etc.unmount(engine.paths.pod(pod_id) / "etc")
