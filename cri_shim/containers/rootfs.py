"""The root file system of a container, as its pod has it: with its ids and its SELinux label."""

from cri_shim.containers import protection
from cri_shim.engine import Engine
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.spec.userns import UserNamespace


async def mount(on: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Mount it where the container's bundle has it; already mounted is fine."""
    await on.images.rootfs.prepare(
        container.id,
        list(container.layers),
        on.paths.rootfs(container.id),
        userns=user_namespace(on, pod),
        label=protection.labels(on, pod, container.config)[1],
    )


def user_namespace(on: Engine, pod: state.PodRecord) -> UserNamespace | None:
    """Where the pod's user namespace is pinned, and its ids; None if it has none."""
    ids = userns.of_pod(pod.config)
    return None if ids is None else UserNamespace(on.paths.pin(pod.id, "user"), ids)
