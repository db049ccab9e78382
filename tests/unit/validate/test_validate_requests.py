"""The smaller requests, and the completeness of the table."""

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cri_shim.errors import InvalidArgument, InvalidImageName
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.validate.requests import COVERED, Validator

check = Validator()


def test_every_request_of_every_service_has_a_check() -> None:
    services = [*api.DESCRIPTOR.services_by_name.values()]
    services += control.DESCRIPTOR.services_by_name.values()
    requests = {GetMessageClass(m.input_type) for s in services for m in s.methods}
    assert requests == COVERED


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("pod_sandbox_id", api.StopPodSandboxRequest()),
        ("pod_sandbox_id", api.RemovePodSandboxRequest(pod_sandbox_id="..")),
        ("pod_sandbox_id", api.PodSandboxStatusRequest(pod_sandbox_id="a/b")),
        ("pod_sandbox_id", api.PodSandboxStatsRequest(pod_sandbox_id="a" * 129)),
        ("container_id", api.StartContainerRequest()),
        ("container_id", api.StopContainerRequest(container_id="a b")),
        ("container_id", api.RemoveContainerRequest(container_id="-a")),
        ("container_id", api.ContainerStatusRequest(container_id="é")),
        ("container_id", api.ReopenContainerLogRequest(container_id="a\n")),
        ("container_id", api.ContainerStatsRequest()),
        ("container_id", api.ExecSyncRequest(cmd=["ls"])),
        ("cmd", api.ExecSyncRequest(container_id="c")),
        ("cmd", api.ExecRequest(container_id="c", cmd=[""], stdout=True)),
        ("cmd[1]", api.ExecSyncRequest(container_id="c", cmd=["ls", "\0"])),
        ("timeout", api.ExecSyncRequest(container_id="c", cmd=["ls"], timeout=-1)),
        ("stderr", api.ExecRequest(container_id="c", cmd=["ls"], tty=True, stderr=True)),
        ("stdout", api.ExecRequest(container_id="c", cmd=["ls"])),
        ("stderr", api.AttachRequest(container_id="c", tty=True, stdout=True, stderr=True)),
        ("stdout", api.AttachRequest(container_id="c")),
        ("port[1]", api.PortForwardRequest(pod_sandbox_id="p", port=[80, 0])),
        (
            "linux.cpu_shares",
            api.UpdateContainerResourcesRequest(
                container_id="c", linux=api.LinuxContainerResources(cpu_shares=-1)
            ),
        ),
        (
            "windows",
            api.UpdateContainerResourcesRequest(
                container_id="c", windows=api.WindowsContainerResources()
            ),
        ),
        (
            "overhead.cpu_period",
            api.UpdatePodSandboxResourcesRequest(
                pod_sandbox_id="p", overhead=api.LinuxContainerResources(cpu_period=1)
            ),
        ),
        ("container_ids[0]", api.CheckpointPodRequest(pod_sandbox_id="p", container_ids=["/"])),
        (
            "runtime_config.network_config.pod_cidr",
            api.UpdateRuntimeConfigRequest(
                runtime_config=api.RuntimeConfig(network_config=api.NetworkConfig(pod_cidr="10/99"))
            ),
        ),
        ("image.image", api.PullImageRequest()),
        ("image.image", api.ImageStatusRequest(image=api.ImageSpec(image="a\tb"))),
        ("image.image", api.RemoveImageRequest(image=api.ImageSpec(image="a" * 2049))),
        ("source", control.LoadImageRequest()),
        ("word", control.FindRequest()),
        ("word", control.FindRequest(word="a\nb")),
        ("kind", control.FindRequest(word="a", kind="image")),
        ("reference", control.TagImageRequest(name="a")),
        ("name", control.TagImageRequest(reference="a")),
        ("reference", control.SaveImageRequest(target="a")),
        ("target", control.SaveImageRequest(reference="a")),
        ("names", control.SaveImageRequest(reference="a", target="a", names=["b\tc"])),
    ],
)
def test_a_bad_request_names_its_field(field: str, request_: Message) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check(request_)
    assert caught.value.field == field
    own = isinstance(caught.value, InvalidImageName)  # its text is whole without the field
    assert str(caught.value).startswith(f"{field}: ") != own


@pytest.mark.parametrize(
    "request_",
    [
        api.StopPodSandboxRequest(pod_sandbox_id="f" * 64),
        api.StopContainerRequest(container_id="unknown_1.2-3", timeout=-1),
        api.ListContainersRequest(filter=api.ContainerFilter(id="/no such/")),
        api.ExecSyncRequest(container_id="c", cmd=["ls", ""], timeout=0),
        api.ExecRequest(container_id="c", cmd=["sh"], tty=True, stdin=True, stdout=True),
        api.PortForwardRequest(pod_sandbox_id="p"),
        api.UpdateContainerResourcesRequest(
            container_id="c", linux=api.LinuxContainerResources(memory_limit_in_bytes=-1)
        ),
        api.UpdateRuntimeConfigRequest(),
        api.UpdateRuntimeConfigRequest(
            runtime_config=api.RuntimeConfig(
                network_config=api.NetworkConfig(pod_cidr="10.1.0.0/24,fd00::/64")
            )
        ),
        api.PullImageRequest(image=api.ImageSpec(image="localhost:5000/a/b:c@sha256:00")),
        api.VersionRequest(),
    ],
    ids=lambda r: r.DESCRIPTOR.name,
)
def test_a_good_request_passes(request_: Message) -> None:
    check(request_)
