"""Reports the life of pods and containers to the plugins, each event once.

An object is known to the plugins from its first event on, which is RunPodSandbox or
CreateContainer; from then on its other events are due, also if the request fails. A plugin that
joins is told the known objects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.node_plugins import Adjusted, NodePlugins
from cri_shim.nri import adjusting, changes, events, messages
from cri_shim.nri.creation import Creation
from cri_shim.nri.document.resources import beyond_cri, from_cri, to_cri
from cri_shim.nri.owners import Owners
from cri_shim.nri.plugin import Plugin
from cri_shim.nri.plugins import Plugins, State
from cri_shim.nri.updates import Updates
from cri_shim.nri.validation import Validators
from cri_shim.objects import Record
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.document import Document


class Reports(NodePlugins):
    active = True

    def __init__(self, engine: Engine, validators: Validators) -> None:
        self._engine = engine
        self._validators = validators
        self._plugins: Plugins
        self._pods: dict[str, bool] = {}  # those that plugins know; True: StopPodSandbox was told
        self._containers: dict[str, bool] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}  # reports of ends, with what they change

    def open(self, plugins: Plugins) -> None:
        """Begin with the pods and containers that exist now."""
        self._plugins = plugins
        for pod in self._engine.objects.pods():
            if pod.phase != state.POD_CREATING:
                self._pods[pod.id] = not lifecycle.is_ready(pod)
        for container in self._engine.objects.containers():
            if container.phase != state.CONTAINER_CREATING:
                self._containers[container.id] = lifecycle.is_over(container)
        self._engine.objects.follow(self._changed)

    def facts(self) -> list[dict[str, Any]]:
        return self._plugins.facts()

    def close(self) -> None:
        """Report nothing more."""
        self._engine.objects.unfollow(self._changed)

    async def known(self) -> State:
        """Return the messages of the objects that the plugins know."""
        objects = self._engine.objects
        pods = [found for id in self._pods if (found := objects.find_pod(id)) is not None]
        known = [c for id in self._containers if (c := objects.find_container(id)) is not None]
        return (
            [messages.pod(self._engine, pod) for pod in pods],
            [await messages.container(self._engine, container) for container in known],
        )

    def changing(self) -> list[str]:
        return self._plugins.getting("CreateContainer")

    # -- pods ----------------------------------------------------------------------------------

    async def pod_made(self, pod: state.PodRecord) -> None:
        async with self._plugins.turn() as plugins:
            self._pods[pod.id] = False
            await events.tell(
                plugins,
                "RunPodSandbox",
                events.of_pod(self._engine, pod, pb.RunPodSandboxRequest()),
            )

    async def pod_updating(
        self, pod: state.PodRecord, request: api.UpdatePodSandboxResourcesRequest
    ) -> None:
        host = self._engine.host
        event = pb.UpdatePodSandboxRequest(
            overhead_linux_resources=from_cri(request.overhead, host),
            linux_resources=from_cri(request.resources, host),
        )
        async with self._plugins.turn() as plugins:
            await events.tell(plugins, "UpdatePodSandbox", events.of_pod(self._engine, pod, event))

    async def pod_updated(self, pod: state.PodRecord) -> None:
        event = events.of_pod(self._engine, pod, pb.PostUpdatePodSandboxRequest())
        await self._past("PostUpdatePodSandbox", event)

    async def pod_stopped(self, pod: state.PodRecord) -> None:
        event = events.of_pod(self._engine, pod, pb.StopPodSandboxRequest())
        async with self._plugins.turn() as plugins:
            if not self._pods.get(pod.id, True):
                self._pods[pod.id] = True
                await events.logged(events.tell(plugins, "StopPodSandbox", event))

    async def pod_removed(self, pod: state.PodRecord) -> None:
        event = events.of_pod(self._engine, pod, pb.RemovePodSandboxRequest())
        async with self._plugins.turn() as plugins:
            if self._pods.pop(pod.id, None) is not None:
                await events.logged(events.tell(plugins, "RemovePodSandbox", event))

    # -- containers ----------------------------------------------------------------------------

    async def container_creating(
        self, pod: state.PodRecord, container: state.ContainerRecord, document: Document
    ) -> Adjusted:
        async with self._plugins.turn() as plugins:
            self._containers[container.id] = False
            asked = [plugin for plugin in plugins if plugin.gets("CreateContainer")]
            if not asked and self._validators.rules is None:
                return await super().container_creating(pod, container, document)
            request = pb.CreateContainerRequest(
                pod=messages.pod(self._engine, pod), container=messages.of_record(container)
            )
            messages.add_document(request.container, document)
            pristine = pb.Container()
            pristine.CopyFrom(request.container)
            creation = Creation(request)
            for plugin in asked:
                answer = pb.CreateContainerResponse()
                if await plugin.event("CreateContainer", request, answer) is not None:
                    creation.add(str(plugin), answer)
            await self._validators.check(plugins, pristine, creation)
        adjusted = await adjusting.applied(self._engine, pod, container, document, creation)
        await self._carry_out(creation.updates)
        return adjusted

    async def container_created(self, container: state.ContainerRecord) -> None:
        event = events.of_container(self._engine, container, pb.PostCreateContainerRequest())
        await self._past("PostCreateContainer", event)

    async def container_starting(self, container: state.ContainerRecord) -> None:
        event = events.of_container(self._engine, container, pb.StartContainerRequest())
        async with self._plugins.turn() as plugins:
            await events.tell(plugins, "StartContainer", event)

    async def container_started(self, container: state.ContainerRecord) -> None:
        event = events.of_container(self._engine, container, pb.PostStartContainerRequest())
        await self._past("PostStartContainer", event)

    async def container_updating(
        self, container: state.ContainerRecord, update: api.LinuxContainerResources
    ) -> tuple[api.LinuxContainerResources, Document]:
        async with self._plugins.turn() as plugins:
            asked = [plugin for plugin in plugins if plugin.gets("UpdateContainer")]
            if not asked:
                return update, {}
            request = pb.UpdateContainerRequest(linux_resources=from_cri(update, self._engine.host))
            await events.of_container(self._engine, container, request)()
            before = request.linux_resources.SerializeToString(deterministic=True)
            updates = Updates(Owners(), updating=request)
            for plugin in asked:
                answer = pb.UpdateContainerResponse()
                if await plugin.event("UpdateContainer", request, answer) is not None:
                    updates.add(str(plugin), answer.update, answer.evict)
        await self._carry_out(updates)
        wanted = request.linux_resources
        if wanted.SerializeToString(deterministic=True) == before:
            return update, {}
        changed = to_cri(wanted)
        changed.oom_score_adj = update.oom_score_adj
        return changed, beyond_cri(wanted)

    async def container_updated(self, container: state.ContainerRecord) -> None:
        event = events.of_container(self._engine, container, pb.PostUpdateContainerRequest())
        await self._past("PostUpdateContainer", event)

    async def container_stopped(self, container: state.ContainerRecord) -> None:
        current = self._engine.objects.find_container(container.id) or container
        if current.finished_at:
            await self._stopped(current)
        if (reporting := self._ends.get(container.id)) is not None:
            await asyncio.wait({reporting})

    async def container_removed(self, container: state.ContainerRecord) -> None:
        await self._stopped(container)
        event = events.of_container(self._engine, container, pb.RemoveContainerRequest())
        async with self._plugins.turn() as plugins:
            if self._containers.pop(container.id, None) is not None:
                await events.logged(events.tell(plugins, "RemoveContainer", event))

    async def _stopped(self, container: state.ContainerRecord) -> None:
        updates = Updates(Owners())
        async with self._plugins.turn() as plugins:
            if self._containers.get(container.id, True):
                return
            self._containers[container.id] = True
            asked = [plugin for plugin in plugins if plugin.gets("StopContainer")]
            if not asked:
                return
            event = await events.of_container(self._engine, container, pb.StopContainerRequest())()
            for plugin in asked:
                await events.logged(_stop_event(plugin, event, updates))
        await events.logged(self._carry_out(updates))

    # -- parts of them -------------------------------------------------------------------------

    def _changed(self, before: Record | None, after: Record | None) -> None:
        """Report the end of a container, however it came."""
        if not isinstance(after, state.ContainerRecord) or not after.finished_at:
            return
        if isinstance(before, state.ContainerRecord) and not before.finished_at:
            what = self._engine.objects.container_subject(after.id)
            task = self._engine.work.spawn(f"report the end of {what}", self._stopped(after))
            self._ends[after.id] = task
            task.add_done_callback(lambda _: self._ends.pop(after.id, None))

    async def _past(self, method: str, make: Callable[[], Awaitable[Message]]) -> None:
        """Report what has happened: a refusal is only logged."""
        async with self._plugins.turn() as plugins:
            await events.logged(events.tell(plugins, method, make))

    async def _carry_out(self, updates: Updates) -> None:
        await changes.carry_out(self._engine, updates.others())
        changes.evict(self._engine, updates.evictions)


async def _stop_event(plugin: Plugin, event: pb.StopContainerRequest, updates: Updates) -> None:
    answer = pb.StopContainerResponse()
    if await plugin.event("StopContainer", event, answer) is not None:
        updates.add(str(plugin), answer.update)
