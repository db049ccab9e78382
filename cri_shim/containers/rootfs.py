"""Mounts the root file system of a container with its pod's ids and its SELinux label."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cri_shim.containers import security
from cri_shim.engine import Engine
from cri_shim.isolation import namespaces
from cri_shim.isolation import userns as isolation_userns
from cri_shim.linux import mounts, nsenter
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import userns
from cri_shim.spec.userns import UserNamespace


async def mount(engine: Engine, pod: state.PodRecord, container: state.ContainerRecord) -> None:
    """Mount it in the container's bundle; success if it is already mounted."""
    if mounts.is_mounted(engine.paths.rootfs(container.id)):
        return
    async with _user_namespace(engine, pod) as space:
        await engine.images.rootfs.prepare(
            container.id,
            list(container.layers),
            engine.paths.rootfs(container.id),
            userns=space,
            label=security.labels(engine, pod, container.config)[1],
            quota=engine.defaults.layer_quota,
        )


def user_namespace(engine: Engine, pod: state.PodRecord) -> UserNamespace | None:
    """Return the path and the ids of the pod's pinned user namespace; None if it has none."""
    ids = userns.of_pod(pod.config)
    return None if ids is None else UserNamespace(engine.paths.pin(pod.id, "user"), ids)


@asynccontextmanager
async def _user_namespace(
    engine: Engine, pod: state.PodRecord
) -> AsyncIterator[UserNamespace | None]:
    """Yield the pod's user namespace; for a stopped pod, one made for the time of the block."""
    space = user_namespace(engine, pod)
    if space is None:
        yield None
        return
    async with engine.objects.lock((pod.id, "user namespace")):
        made = not nsenter.is_pinned(space.path)
        if made:
            await isolation_userns.pin({"user": space.path}, space.ids, hostname=None)
        try:
            yield space
        finally:
            if made:
                namespaces.unpin(space.path)
