"""Releases a pod's resources of the node: at its stop, and once more at its removal.

The resources are its network, its namespaces with the pause process, its /dev/shm and its files of
/etc, which are both in memory. Every step is idempotent. A record and a directory remain.
"""

from cri_shim.aio.cleanup import Step
from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.isolation import namespaces, pod_tmpfs
from cri_shim.linux import mounts, nsenter
from cri_shim.linux.process_handle import KILL_S, Process
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state


def steps(engine: Engine, pod: state.PodRecord) -> list[Step]:
    """Return the steps in order: the plugins still need the network namespace."""
    return [
        ("pause process", lambda: _end_pause(engine, pod)),
        ("network", lambda: detach(engine, pod.id)),
        ("network namespace", lambda: _unpin_network(engine, pod.id)),
        ("namespaces", lambda: _unpin(engine, pod.id)),
        ("/dev/shm", lambda: _unmount_shm(engine, pod.id)),
        ("files of /etc", lambda: _unmount_etc(engine, pod.id)),
    ]


def is_due(engine: Engine, pod: state.PodRecord) -> bool:
    """Return whether the pod still holds resources: a daemon may have died, or was an old one."""
    pinned = any(nsenter.is_pinned(path) for path in engine.paths.pins(pod).values())
    in_memory = (engine.paths.pod(pod.id) / name for name in ("shm", "etc"))
    mounted = any(mounts.is_mounted(path) for path in in_memory)
    return bool(pod.network.attachments) or pinned or mounted


def attachments(engine: Engine) -> list[tuple[str, str]]:
    """Return (pod, interface) of all possible attachments; all else in a network is garbage."""
    return [
        (pod.id, attachment.interface)
        for pod in engine.objects.everything()[0]
        for attachment in pod.network.attachments
    ]


async def detach(engine: Engine, id: str) -> None:
    """Run DEL on every network the pod may be attached to; the record then has no attachment."""
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
    """End the shared pid namespace's init; the kernel then ends every process in the namespace."""
    where = engine.paths.pod(pod.id) / "pause"
    if not pod.HasField("pause") and not where.exists():
        return
    fault_point("pods.teardown.pause")
    engine.oci.exits.unwatch(pod.id)
    if pod.HasField("pause"):
        with Process.of(pod.pause) as pause, Process.of(pod.monitor) as monitor:
            await pause.kill()
            await monitor.end(KILL_S)
    else:
        await engine.oci.conmon.end(pod.id)  # the daemon died before it could record the create
    handler = engine.oci.known(pod.handler)
    if handler is not None:
        await engine.oci.runtime.delete(handler, pod.id, force=True)
    engine.oci.conmon.cleanup(pod.id, where)
    await engine.cgroups.remove(engine.cgroups.oci_path(pod.cgroup_parent, pod.id))
    await engine.cgroups.remove_monitor(pod.id)


def _unpin_network(engine: Engine, pod_id: str) -> None:
    pod = engine.objects.find_pod(pod_id)
    if pod is not None and pod.phase != state.POD_REMOVING and pod.network.attachments:
        return  # a plugin has failed, and may need the namespace for a retry
    fault_point("pods.teardown.netns")
    namespaces.unpin(engine.paths.netns(pod_id))


def _unpin(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.namespaces")
    for kind in ("pid", "ipc", "uts", "user"):
        namespaces.unpin(engine.paths.pin(pod_id, kind))


def _unmount_shm(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.shm")
    pod_tmpfs.unmount(engine.paths.pod(pod_id) / "shm")


def _unmount_etc(engine: Engine, pod_id: str) -> None:
    fault_point("pods.teardown.etc")
    pod_tmpfs.unmount(engine.paths.pod(pod_id) / "etc")
