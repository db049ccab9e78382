"""The RPCs of Control for pods."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from cri_shim.activity.error_names import with_names
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pods import changing, leases, load, prune, timeline
from cri_shim.pods import plan as pod_plan
from cri_shim.pods import start as pod_start
from cri_shim.rpc.ending import Ending


class ControlPods:
    """A base class of ControlService."""

    _engine: Engine
    _ending: Ending

    async def RunPod(self, request: control.RunPodRequest) -> AsyncIterator[control.RunPodResponse]:
        asked = api.RunPodSandboxRequest(
            config=request.config, runtime_handler=request.runtime_handler
        )
        id = await leases.begin(self._engine, asked)
        try:
            pod = self._engine.objects.pod(id)
            yield control.RunPodResponse(pod_sandbox_id=id, log_directory=pod.config.log_directory)
            await self._ending.or_result(leases.until_gone(self._engine, id))
        finally:
            if not self._ending.begun:  # otherwise the pod is left to the next daemon
                leases.end(self._engine, id)

    async def DetachPod(self, request: control.DetachPodRequest) -> control.DetachPodResponse:
        leases.detach(self._engine, request.pod_sandbox_id, remove=request.remove)
        return control.DetachPodResponse()

    async def StartPod(self, request: control.StartPodRequest) -> control.StartPodResponse:
        await pod_start.start(self._engine, request.pod_sandbox_id)
        return control.StartPodResponse()

    async def Plan(self, request: control.PlanRequest) -> control.PlanResponse:
        found = await pod_plan.plan(
            self._engine, request.sandbox_config, request.config, request.runtime_handler
        )
        return control.PlanResponse(json=json.dumps(asdict(found)))

    async def PrunePods(self, request: control.PrunePodsRequest) -> control.PrunePodsResponse:
        pruned = await prune.prune(self._engine)
        named = self._engine.objects.named
        errors = {id: with_names(str(error), named) for id, error in pruned.errors.items()}
        return control.PrunePodsResponse(
            pods=pruned.pods, containers=pruned.containers, errors=errors
        )

    async def ListChangingPods(
        self, request: control.ListChangingPodsRequest
    ) -> control.ListChangingPodsResponse:
        return control.ListChangingPodsResponse(pods=map(_changing, changing.pods(self._engine)))

    async def Timeline(self, request: control.TimelineRequest) -> control.TimelineResponse:
        found = await timeline.of(self._engine, request.pod)
        return control.TimelineResponse(json=json.dumps(found))

    async def SlowestPods(self, request: control.SlowestPodsRequest) -> control.SlowestPodsResponse:
        found = await timeline.slowest(self._engine, request.most)
        return control.SlowestPodsResponse(json=json.dumps(found))

    async def Load(self, request: control.LoadRequest) -> control.LoadResponse:
        return control.LoadResponse(pods=[_load(pod) async for pod in load.listed(self._engine)])


def _load(found: load.PodLoad) -> control.PodLoad:
    return control.PodLoad(
        id=found.pod.id,
        namespace=found.pod.config.metadata.namespace,
        name=found.pod.config.metadata.name,
        restarts=found.restarts,
        sample=_sample(found.load),
        containers=[
            control.ContainerLoad(
                id=container.id,
                name=container.config.metadata.name,
                restarts=container.config.metadata.attempt,
                sample=_sample(of_container),
            )
            for container, of_container in found.containers
        ],
    )


def _sample(found: load.Load) -> control.Sample:
    used = found.usage
    return control.Sample(
        timestamp=used.at,
        cpu_nanoseconds=used.cpu_ns,
        memory_bytes=None if used.memory is None else used.memory.working_set,
        memory_limit_bytes=None if used.memory is None else used.memory.limit,
        read_bytes=found.read,
        written_bytes=found.written,
        pids=found.threads,
        cpu_pressure=load.stall(used.cpu_pressure),
        memory_pressure=load.stall(used.memory_pressure),
        io_pressure=load.stall(used.io_pressure),
    )


def _changing(pod: changing.ChangingPod) -> control.ChangingPod:
    config = pod.record.config
    return control.ChangingPod(
        id=pod.record.id,
        namespace=config.metadata.namespace,
        name=config.metadata.name,
        attempt=config.metadata.attempt,
        state=pod.state,
        created_at=pod.record.created_at,
        runtime_handler=pod.record.runtime_handler,
        labels=config.labels,
        waits_for=pod.waits_for,
    )
