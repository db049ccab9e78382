"""One check for each request of the socket's services; a test requires a complete table."""

import ipaddress
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.validate import fields
from cri_shim.validate.container import check_container
from cri_shim.validate.pod import check_pod
from cri_shim.validate.resources import check_resources


class Validator:
    """The check for boundary.add."""

    def __call__(self, request: Message) -> None:
        """Raise InvalidArgument for a request that no runtime could serve."""
        _CHECKS[type(request)](request)


def _nothing(request: Message) -> None:
    """Accept a request whose values are all valid; a filter without matches is not an error."""


def _of_pod(request: Any) -> None:
    fields.identifier("pod_sandbox_id", request.pod_sandbox_id)


def _of_container(request: Any) -> None:
    fields.identifier("container_id", request.container_id)


def _run(request: api.RunPodSandboxRequest) -> None:
    _required("config", request)
    fields.plain("runtime_handler", request.runtime_handler)
    check_pod("config", request.config)


def _create(request: api.CreateContainerRequest) -> None:
    _of_pod(request)
    _required("config", request)
    check_container("config", request.config)


def _plan(request: control.PlanRequest) -> None:
    _required("sandbox_config", request)
    _required("config", request)
    fields.plain("runtime_handler", request.runtime_handler)
    check_pod("sandbox_config", request.sandbox_config)
    check_container("config", request.config)


def _exec_sync(request: api.ExecSyncRequest) -> None:
    _of_container(request)
    _command(request)
    if request.timeout < 0:
        raise InvalidArgument("timeout", f"{request.timeout} seconds; 0 is for no limit")


def _exec(request: api.ExecRequest) -> None:
    _of_container(request)
    _command(request)
    _streams(request)


def _attach(request: api.AttachRequest | control.AttachRequest) -> None:
    _of_container(request)
    _streams(request)


def _command(request: api.ExecSyncRequest | api.ExecRequest | control.ExecRequest) -> None:
    if not request.cmd or not request.cmd[0]:
        raise InvalidArgument("cmd", "is required")
    for index, word in enumerate(request.cmd):
        if "\0" in word:
            raise InvalidArgument(f"cmd[{index}]", "has a NUL byte")


def _streams(request: Any) -> None:
    """ "If tty is true, stderr must be false"; a session needs at least one stream."""
    if request.tty and request.stderr:
        raise InvalidArgument("stderr", "a tty has no stderr of its own: ask for stdout alone")
    if not (request.stdin or request.stdout or request.stderr):
        raise InvalidArgument("stdout", "one of stdin, stdout and stderr is required")


def _end_session(request: control.EndSessionRequest) -> None:
    fields.identifier("id", request.id)


def _forward(request: api.PortForwardRequest) -> None:
    _of_pod(request)
    for index, port in enumerate(request.port):
        fields.between(f"port[{index}]", port, 1, 65535)


def _update_container(request: api.UpdateContainerResourcesRequest) -> None:
    _of_container(request)
    if request.HasField("windows"):
        raise InvalidArgument("windows", "this runtime is for Linux")
    check_resources("linux", request.linux, update=True)


def _update_pod(request: api.UpdatePodSandboxResourcesRequest) -> None:
    _of_pod(request)
    check_resources("overhead", request.overhead, update=True)
    check_resources("resources", request.resources, update=True)


def _checkpoint_pod(request: api.CheckpointPodRequest) -> None:
    _of_pod(request)
    for index, one in enumerate(request.container_ids):
        fields.identifier(f"container_ids[{index}]", one)


def _runtime_config(request: api.UpdateRuntimeConfigRequest) -> None:
    at = "runtime_config.network_config.pod_cidr"
    text = request.runtime_config.network_config.pod_cidr
    fields.plain(at, text)
    for part in text.split(",") if text else ():
        try:
            ipaddress.ip_network(part.strip(), strict=False)
        except ValueError as error:
            raise InvalidArgument(at, str(error)) from error


def _of_image(request: Any) -> None:
    fields.image("image.image", request.image.image)


def _find(request: control.FindRequest) -> None:
    fields.given("word", request.word)
    fields.plain("word", request.word)
    if request.kind not in ("", "pod", "container"):
        raise InvalidArgument("kind", f"must be pod or container, not {request.kind!r}")


def _timeline(request: control.TimelineRequest) -> None:
    fields.given("pod", request.pod)
    fields.plain("pod", request.pod)


def _slowest(request: control.SlowestPodsRequest) -> None:
    fields.between("most", request.most, 1, 1000)


def _load(request: control.LoadImageRequest) -> None:
    fields.given("source", request.source)
    fields.plain("name", request.name)


def _save(request: control.SaveImageRequest) -> None:
    fields.image("reference", request.reference)
    fields.given("target", request.target)
    for name in request.names:
        fields.image("names", name)


def _tag(request: control.TagImageRequest) -> None:
    fields.image("reference", request.reference)
    fields.image("name", request.name)


def _image_named(request: Any) -> None:
    fields.image("reference", request.reference)


def _untag(request: control.UntagImageRequest) -> None:
    _image_named(request)
    for name in request.names:
        fields.image("names", name)


def _diff_image(request: control.DiffImageRequest) -> None:
    _image_named(request)
    if request.other:
        fields.image("other", request.other)


def _run_pod(request: control.RunPodRequest) -> None:
    _required("config", request)
    fields.plain("runtime_handler", request.runtime_handler)
    check_pod("config", request.config)


def _exec_as(request: control.ExecRequest) -> None:
    _of_container(request)
    _command(request)
    _streams(request)
    for index, entry in enumerate(request.environment):
        if "=" not in entry[1:] or "\0" in entry:
            raise InvalidArgument(f"environment[{index}]", "must be NAME=VALUE")
    fields.plain("user", request.user)
    if request.working_dir:
        fields.absolute("working_dir", request.working_dir)


def _kill(request: control.KillContainerRequest) -> None:
    _of_container(request)
    fields.plain("signal", request.signal)


def _commit(request: control.CommitContainerRequest) -> None:
    _of_container(request)
    if request.name:
        fields.image("name", request.name)
    for field in ("author", "message"):
        fields.plain(field, getattr(request, field))


def _copy(request: Any) -> None:
    _of_container(request)
    fields.absolute("path", request.path)


def _copy_to(request: control.CopyToContainerRequest) -> None:
    _copy(request)
    fields.absolute("source", request.source)


def _required(field: str, request: Message) -> None:
    if not request.HasField(field):
        raise InvalidArgument(field, "is required")


_CHECKS: dict[type[Message], Callable[[Any], None]] = {
    api.VersionRequest: _nothing,
    api.StatusRequest: _nothing,
    api.RuntimeConfigRequest: _nothing,
    api.UpdateRuntimeConfigRequest: _runtime_config,
    api.RunPodSandboxRequest: _run,
    api.StopPodSandboxRequest: _of_pod,
    api.RemovePodSandboxRequest: _of_pod,
    api.PodSandboxStatusRequest: _of_pod,
    api.UpdatePodSandboxResourcesRequest: _update_pod,
    api.PortForwardRequest: _forward,
    api.CreateContainerRequest: _create,
    api.StartContainerRequest: _of_container,
    api.StopContainerRequest: _of_container,  # a negative timeout counts as 0
    api.RemoveContainerRequest: _of_container,
    api.ContainerStatusRequest: _of_container,
    api.UpdateContainerResourcesRequest: _update_container,
    api.ReopenContainerLogRequest: _of_container,
    api.ExecSyncRequest: _exec_sync,
    api.ExecRequest: _exec,
    api.AttachRequest: _attach,
    api.ContainerStatsRequest: _of_container,
    api.PodSandboxStatsRequest: _of_pod,
    api.CheckpointContainerRequest: _of_container,
    api.CheckpointPodRequest: _checkpoint_pod,
    api.RestorePodRequest: _nothing,  # not served, so nothing is checked
    api.ListPodSandboxRequest: _nothing,
    api.ListContainersRequest: _nothing,
    api.ListContainerStatsRequest: _nothing,
    api.ListPodSandboxStatsRequest: _nothing,
    api.ListPodSandboxMetricsRequest: _nothing,
    api.ListMetricDescriptorsRequest: _nothing,
    api.StreamPodSandboxesRequest: _nothing,
    api.StreamContainersRequest: _nothing,
    api.StreamContainerStatsRequest: _nothing,
    api.StreamPodSandboxStatsRequest: _nothing,
    api.StreamPodSandboxMetricsRequest: _nothing,
    api.GetEventsRequest: _nothing,
    api.ListImagesRequest: _nothing,
    api.StreamImagesRequest: _nothing,
    api.ImageStatusRequest: _of_image,
    api.PullImageRequest: _of_image,
    api.RemoveImageRequest: _of_image,
    api.ImageFsInfoRequest: _nothing,
    control.InfoRequest: _nothing,
    control.CheckRequest: _nothing,
    control.CompareRequest: _nothing,
    control.RepairRequest: _nothing,
    control.LeaksRequest: _nothing,
    control.ConfigRequest: _nothing,
    control.FindRequest: _find,
    control.PlanRequest: _plan,
    control.LoadImageRequest: _load,
    control.TagImageRequest: _tag,
    control.SaveImageRequest: _save,
    control.PruneImagesRequest: _nothing,
    control.WatchPullsRequest: _nothing,
    control.InspectImageRequest: _image_named,
    control.ImageHistoryRequest: _image_named,
    control.UntagImageRequest: _untag,
    control.MountImageRequest: _image_named,
    control.UnmountImageRequest: _image_named,
    control.DiffImageRequest: _diff_image,
    control.ImageUseRequest: _nothing,
    control.DiskUsageRequest: _nothing,
    control.RunPodRequest: _run_pod,
    control.DetachPodRequest: _of_pod,
    control.StartPodRequest: _of_pod,
    control.PrunePodsRequest: _nothing,
    control.ExecRequest: _exec_as,
    control.AttachRequest: _attach,
    control.KillContainerRequest: _kill,
    control.PauseContainerRequest: _of_container,
    control.UnpauseContainerRequest: _of_container,
    control.WaitContainerRequest: _of_container,
    control.TopContainerRequest: _of_container,
    control.DiffContainerRequest: _of_container,
    control.CommitContainerRequest: _commit,
    control.ExportContainerRequest: _of_container,
    control.CopyFromContainerRequest: _copy,
    control.CopyToContainerRequest: _copy_to,
    control.ListChangingPodsRequest: _nothing,
    control.TimelineRequest: _timeline,
    control.SlowestPodsRequest: _slowest,
    control.LoadRequest: _nothing,
    control.SetLogLevelRequest: _nothing,  # the service knows the levels
    control.ReloadRequest: _nothing,
    control.ListSessionsRequest: _nothing,
    control.EndSessionRequest: _end_session,
}

COVERED = frozenset(_CHECKS)
