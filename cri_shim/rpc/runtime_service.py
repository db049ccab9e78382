"""RuntimeService: each RPC calls one use case; `boundary` has validated the request."""

import json

from cri_shim.containers import create, exec, start, update
from cri_shim.containers import query as container_query
from cri_shim.containers import remove as container_remove
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import query as pod_query
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run, timeline
from cri_shim.pods import stop as pod_stop
from cri_shim.pods import update as pod_update
from cri_shim.pods.telemetry import Telemetry
from cri_shim.rpc.encoded import Encoded
from cri_shim.rpc.exec_failures import ExecFailures
from cri_shim.rpc.lists import Lists
from cri_shim.rpc.status import RuntimeStatus
from cri_shim.rpc.stream_urls import StreamUrls
from cri_shim.rpc.telemetry_rpcs import TelemetryRpcs
from cri_shim.version import __version__

RUNTIME_NAME = "cri-shim"
KUBELET_API_VERSION = "0.1.0"  # the version of the kubelet's runtime API, which never changes
RUNTIME_API_VERSION = "v1"


class RuntimeService(TelemetryRpcs):
    """The RPCs of runtime.v1.RuntimeService that the daemon serves."""

    def __init__(
        self, engine: Engine, status: RuntimeStatus, streams: StreamUrls, telemetry: Telemetry
    ) -> None:
        self._engine = engine
        self._telemetry = telemetry
        self._status = status
        self._streams = streams
        self._lists = Lists(engine.objects)
        self.exec_failures = ExecFailures()

    # -- the runtime itself -------------------------------------------------------------------

    async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
        return api.VersionResponse(
            version=KUBELET_API_VERSION,
            runtime_name=RUNTIME_NAME,
            runtime_version=__version__,
            runtime_api_version=RUNTIME_API_VERSION,
        )

    async def Status(self, request: api.StatusRequest) -> api.StatusResponse:
        return self._status.status(verbose=request.verbose)

    async def RuntimeConfig(self, request: api.RuntimeConfigRequest) -> api.RuntimeConfigResponse:
        return api.RuntimeConfigResponse(linux=self._status.runtime_configuration())

    async def UpdateRuntimeConfig(
        self, request: api.UpdateRuntimeConfigRequest
    ) -> api.UpdateRuntimeConfigResponse:
        cidr = request.runtime_config.network_config.pod_cidr
        if cidr:
            await self._engine.network.set_pod_cidr(cidr)
        return api.UpdateRuntimeConfigResponse()

    # -- pods ---------------------------------------------------------------------------------

    async def RunPodSandbox(self, request: api.RunPodSandboxRequest) -> api.RunPodSandboxResponse:
        return api.RunPodSandboxResponse(pod_sandbox_id=await run.run(self._engine, request))

    async def StopPodSandbox(
        self, request: api.StopPodSandboxRequest
    ) -> api.StopPodSandboxResponse:
        await pod_stop.stop(self._engine, request.pod_sandbox_id)
        return api.StopPodSandboxResponse()

    async def RemovePodSandbox(
        self, request: api.RemovePodSandboxRequest
    ) -> api.RemovePodSandboxResponse:
        await pod_remove.remove(self._engine, request.pod_sandbox_id)
        return api.RemovePodSandboxResponse()

    async def PodSandboxStatus(
        self, request: api.PodSandboxStatusRequest
    ) -> api.PodSandboxStatusResponse | Encoded:
        # No `timestamp`, as with containerd. A kubelet 1.37 that follows events and gets one does
        # not ask for the active containers, and starts init containers again and again.
        pod = self._engine.objects.pod(request.pod_sandbox_id)
        answer = self._lists.pod_status(pod)
        if not request.verbose:
            return answer
        whole = api.PodSandboxStatusResponse.FromString(answer.SerializeToString())
        past = await timeline.of_pod(self._engine, pod.id)
        whole.info.update(pod_query.info(self._engine, pod))
        whole.info["timeline"] = json.dumps(past)
        return whole

    async def ListPodSandbox(self, request: api.ListPodSandboxRequest) -> Encoded:
        return self._lists.pods(request.filter)

    async def UpdatePodSandboxResources(
        self, request: api.UpdatePodSandboxResourcesRequest
    ) -> api.UpdatePodSandboxResourcesResponse:
        await pod_update.update_resources(self._engine, request)
        return api.UpdatePodSandboxResourcesResponse()

    # -- containers ---------------------------------------------------------------------------

    async def CreateContainer(
        self, request: api.CreateContainerRequest
    ) -> api.CreateContainerResponse:
        return api.CreateContainerResponse(container_id=await create.create(self._engine, request))

    async def StartContainer(
        self, request: api.StartContainerRequest
    ) -> api.StartContainerResponse:
        await start.start(self._engine, request.container_id)
        return api.StartContainerResponse()

    async def StopContainer(self, request: api.StopContainerRequest) -> api.StopContainerResponse:
        await container_stop.stop(self._engine, request.container_id, request.timeout)
        return api.StopContainerResponse()

    async def RemoveContainer(
        self, request: api.RemoveContainerRequest
    ) -> api.RemoveContainerResponse:
        await container_remove.remove(self._engine, request.container_id)
        return api.RemoveContainerResponse()

    async def ListContainers(self, request: api.ListContainersRequest) -> Encoded:
        return self._lists.containers(request.filter)

    async def ContainerStatus(
        self, request: api.ContainerStatusRequest
    ) -> api.ContainerStatusResponse | Encoded:
        container = self._engine.objects.container(request.container_id)
        answer = self._lists.container_status(container)
        if not request.verbose:
            return answer
        whole = api.ContainerStatusResponse.FromString(answer.SerializeToString())
        past = await timeline.of_container(self._engine, container.id)
        whole.info.update(container_query.info(self._engine, container))
        whole.info["timeline"] = json.dumps(past)
        return whole

    async def UpdateContainerResources(
        self, request: api.UpdateContainerResourcesRequest
    ) -> api.UpdateContainerResourcesResponse:
        await update.update_resources(self._engine, request.container_id, request.linux)
        return api.UpdateContainerResourcesResponse()

    async def ReopenContainerLog(
        self, request: api.ReopenContainerLogRequest
    ) -> api.ReopenContainerLogResponse:
        await update.reopen_log(self._engine, request.container_id)
        return api.ReopenContainerLogResponse()

    async def ExecSync(self, request: api.ExecSyncRequest) -> api.ExecSyncResponse:
        command = list(request.cmd)
        try:
            result = await exec.exec_sync(
                self._engine, request.container_id, command, request.timeout
            )
        except CriShimError as e:
            self._note_failure(request.container_id, command, str(e))
            raise
        if result.exit_code:
            self._note_failure(request.container_id, command, f"exit code {result.exit_code}")
        return api.ExecSyncResponse(
            stdout=result.stdout, stderr=result.stderr, exit_code=result.exit_code
        )

    def _note_failure(self, id: str, command: list[str], result: str) -> None:
        subject = self._engine.objects.named("container", id) or f"container {id}"
        self.exec_failures.note(id, str(subject), command, result)

    async def Exec(self, request: api.ExecRequest) -> api.ExecResponse:
        return api.ExecResponse(url=self._streams.exec(request))

    async def Attach(self, request: api.AttachRequest) -> api.AttachResponse:
        return api.AttachResponse(url=self._streams.attach(request))

    async def PortForward(self, request: api.PortForwardRequest) -> api.PortForwardResponse:
        return api.PortForwardResponse(url=self._streams.port_forward(request))
