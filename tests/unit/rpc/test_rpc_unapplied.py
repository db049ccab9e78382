"""Fields that are not applied yet are refused; what needs no applying is not."""

from collections.abc import Callable

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.unapplied import Unapplied

AT = "config.linux.security_context"
Change = Callable[[api.ContainerConfig], object]


def container(change: Change) -> api.CreateContainerRequest:
    config = api.ContainerConfig(mounts=[api.Mount(container_path="/a", host_path="/a")])
    change(config)
    return api.CreateContainerRequest(config=config)


def context(
    change: Callable[[api.LinuxContainerSecurityContext], object],
) -> api.CreateContainerRequest:
    return container(lambda config: change(config.linux.security_context))


def refusal(request: api.CreateContainerRequest | api.RunPodSandboxRequest) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        Unapplied()(request)
    return caught.value


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("namespace_options.userns_options.mode", lambda c: _user_namespace(c)),
    ],
)
def test_a_protection_that_would_not_be_there_is_refused(
    field: str, change: Callable[[api.LinuxContainerSecurityContext], object]
) -> None:
    error = refusal(context(change))
    assert error.field == f"{AT}.{field}"
    assert str(error).startswith(f"{AT}.{field}: ")
    assert str(error).endswith("is not applied by this runtime yet")


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ("config.mounts[0].uidMappings: ", lambda m: m.uidMappings.add()),
        ("config.mounts[0].gidMappings: ", lambda m: m.gidMappings.add()),
    ],
)
def test_a_mount_that_would_be_another_one_is_refused(
    start: str, change: Callable[[api.Mount], object]
) -> None:
    assert str(refusal(container(lambda c: change(c.mounts[0])))).startswith(start)


@pytest.mark.parametrize(
    "request_",
    [
        container(lambda c: setattr(c.mounts[0], "selinux_relabel", True)),
        context(lambda c: c.capabilities.add_ambient_capabilities.append("NET_RAW")),
        context(lambda c: setattr(c.namespace_options.userns_options, "mode", api.NODE)),
    ],
)
def test_what_needs_no_applying_passes(request_: api.CreateContainerRequest) -> None:
    Unapplied()(request_)


def test_a_pod_with_a_user_namespace_is_refused() -> None:
    pod = api.RunPodSandboxRequest()
    pod.config.linux.security_context.namespace_options.userns_options.SetInParent()
    assert refusal(pod).field == f"{AT}.namespace_options.userns_options.mode"


def _user_namespace(context: api.LinuxContainerSecurityContext) -> None:
    context.namespace_options.userns_options.SetInParent()
