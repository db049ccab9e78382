"""A pod as an object."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from cri_shim import lifecycle
from cri_shim.containers import create as container_create
from cri_shim.containers.stats import ContainerGauges
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.library import configs, inspect, names
from cri_shim.library.arguments import checked
from cri_shim.library.configs import ContainerFields, PodFields
from cri_shim.library.container import Container
from cri_shim.library.handle import Handle, moment
from cri_shim.library.image import Image
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query, remove, run, start, stop
from cri_shim.pods.stats import PodGauges
from cri_shim.validate.requests import Validator

_check = Validator()


def listed(engine: Engine) -> "list[Pod]":
    """Return every pod of this state namespace, without those that are being created."""
    return [Pod(engine, pod.id) for pod in engine.objects.pods() if pod.phase != state.POD_CREATING]


async def create(
    engine: Engine, config: api.PodSandboxConfig | None, handler: str, fields: PodFields
) -> "Pod":
    """See Runtime.create_pod."""
    if config is None:
        config = configs.pod(fields.get("name") or names.generate(engine.objects), fields)
    elif fields:
        raise InvalidArgument(
            "config", f"is complete: it cannot be given together with {', '.join(fields)}"
        )
    request = api.RunPodSandboxRequest(config=config, runtime_handler=handler)
    _check(request)
    return Pod(engine, await run.run(engine, request))


@checked
class Pod(Handle):
    """One pod, by its id.

    When the pod is gone, everything except `stop` and `remove` raises NotFound. When its runtime
    has stopped, everything raises RuntimeStopped.
    """

    @property
    def _record(self) -> state.PodRecord:
        return self._engine.objects.pod(self.id)

    @property
    def name(self) -> str:
        return self._record.config.metadata.name

    @property
    def namespace(self) -> str:
        """Its Kubernetes namespace, in which names are unique."""
        return self._record.config.metadata.namespace

    @property
    def ready(self) -> bool:
        """Whether containers can be created and started in it."""
        return query.state_of(self._record) == api.SANDBOX_READY

    @property
    def ips(self) -> Sequence[str]:
        """Its addresses, the primary one first; empty on the node's own network."""
        return list(self._record.network.ips)

    @property
    def labels(self) -> Mapping[str, str]:
        return dict(self._record.config.labels)

    @property
    def created_at(self) -> datetime:
        return moment(self._record.created_at)

    def containers(self) -> list[Container]:
        """Return its containers in the order of their creation."""
        return [
            Container(self._engine, container.id)
            for container in self._engine.objects.containers_of(self._record.id)
            if container.phase != state.CONTAINER_CREATING
        ]

    def inspect(self) -> Mapping[str, Any]:
        """Return its full description, JSON-able, with podman's keys where they fit."""
        return inspect.pod(self._engine, self._record)

    async def create_container(
        self,
        image: Image | str | api.ContainerConfig,
        command: Sequence[str] = (),
        *,
        name: str = "",
        depends_on: Sequence[Container] = (),
        **fields: Unpack[ContainerFields],
    ) -> Container:
        """Create a container of an image, or of a complete config of the CRI; do not start it.

        `command` replaces the image's ENTRYPOINT and CMD. Without a `name`, one is generated. The
        containers of `depends_on` must run when it is started. `fields`: see ContainerFields.

        InvalidArgument; NotFound for an image that is not on the node; WrongState if the pod is not
        ready.
        """
        if isinstance(image, api.ContainerConfig):
            config = image
            if command or name or fields:
                raise InvalidArgument(
                    "image", "a complete config cannot be given together with other arguments"
                )
        else:
            config = configs.container(
                image, command, name or names.generate(self._engine.objects), fields
            )
        pod = self._record
        request = api.CreateContainerRequest(
            pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config
        )
        _check(request)
        needed = [container.id for container in depends_on]
        return Container(self._engine, await container_create.create(self._engine, request, needed))

    async def start(self) -> None:
        """Start its created containers, each after its dependencies."""
        await start.start(self._engine, self.id)

    async def stop(self) -> None:
        """End its containers and release its addresses; it cannot be started again."""
        await stop.stop(self._engine, self.id)

    async def remove(self, *, force: bool = False) -> None:
        """Remove it and its containers; it may be gone already.

        WrongState if one of its containers runs, unless `force`.
        """
        running = [
            c.id for c in self._engine.objects.containers_of(self.id) if lifecycle.has_process(c)
        ]
        if running and not force:
            raise WrongState(
                f"pod {self.id} has running containers, the first is {running[0]}: stop it first,"
                " or force the removal"
            )
        await remove.remove(self._engine, self.id)

    async def stats(self) -> api.PodSandboxStats:
        """Return the current usage of it and its containers in the CRI's form, without rates."""
        containers = ContainerGauges(self._engine)
        pods = PodGauges(self._engine, containers)
        try:
            return await pods.one(self.id)
        finally:
            pods.close()
