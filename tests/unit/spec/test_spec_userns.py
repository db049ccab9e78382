"""A pod's mapping, its form in the document, and the mapping in a container's request."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.userns import IdMap, IdRange, check_container, of_pod

IDS = IdMap.same(100000, 65536)
MAPPING = {"container_id": 0, "host_id": 100000, "length": 65536}
OTHER = {**MAPPING, "host_id": 5}
USERNS: dict[str, Any] = {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]}


def pod(**options: Any) -> api.PodSandboxConfig:
    given: Any = api.NamespaceOption(**options)
    context = api.LinuxSandboxSecurityContext(namespace_options=given)
    return api.PodSandboxConfig(linux=api.LinuxPodSandboxConfig(security_context=context))


def container(*mounts: api.Mount, **options: Any) -> api.ContainerConfig:
    given: Any = api.NamespaceOption(**options)
    context = api.LinuxContainerSecurityContext(namespace_options=given)
    linux = api.LinuxContainerConfig(security_context=context)
    return api.ContainerConfig(linux=linux, mounts=mounts)


def mapped(*uids: Any, gids: Any = None) -> api.Mount:
    groups: Any = list(uids) if gids is None else gids
    users: Any = list(uids)
    return api.Mount(container_path="/a", host_path="/a", uidMappings=users, gidMappings=groups)


def test_a_pod_has_the_requested_mapping() -> None:
    assert of_pod(pod(userns_options=USERNS)) == IDS


@pytest.mark.parametrize("options", [{}, {"userns_options": {"mode": api.NODE}}])
def test_a_pod_without_a_requested_mapping_has_none(options: dict[str, Any]) -> None:
    assert of_pod(pod(**options)) is None


def test_the_mapping_is_written_for_the_runtime_and_for_the_kernel() -> None:
    line = {"containerID": 0, "hostID": 100000, "size": 65536}
    assert IDS.of_linux() == {"uidMappings": [line], "gidMappings": [line]}
    assert IDS.users.to_kernel() == "0 100000 65536\n"


def test_groups_may_have_another_mapping_than_users() -> None:
    ids = of_pod(pod(userns_options={**USERNS, "gids": [OTHER]}))
    assert ids == IdMap(IdRange(100000, 65536), IdRange(5, 65536))
    assert ids is not None
    assert ids.root == (100000, 5)
    check_container(container(mapped(MAPPING, gids=[OTHER])), ids)
    check_container(container(userns_options={**USERNS, "gids": [OTHER]}), ids)
    with pytest.raises(InvalidArgument, match="gidMappings"):
        check_container(container(mapped(MAPPING)), ids)


@pytest.mark.parametrize(("id", "outside"), [(0, 10), (4, 14), (5, None), (-1, None)])
def test_an_id_beyond_the_range_is_not_mapped(id: int, outside: int | None) -> None:
    found = IdRange(10, 5)
    assert found.on_node(id) == outside
    assert (found.inside(outside) if outside is not None else id) == id
    assert (found.inside(9), found.inside(15)) == (None, None)


@pytest.mark.parametrize(
    ("config", "ids"),
    [
        (container(), IDS),
        (container(), None),
        (container(userns_options=USERNS), IDS),
        (container(userns_options={"mode": api.NODE}), None),
        (container(mapped(MAPPING), userns_options=USERNS), IDS),
        (container(mapped()), IDS),
    ],
)
def test_a_container_may_repeat_its_pods_mapping(
    config: api.ContainerConfig, ids: IdMap | None
) -> None:
    check_container(config, ids)


@pytest.mark.parametrize(
    ("config", "ids", "field"),
    [
        (container(userns_options=USERNS), None, "userns_options"),
        (container(userns_options={"mode": api.NODE}), IDS, "userns_options"),
        (container(userns_options=USERNS), IdMap.same(5, 10), "userns_options"),
        (container(pid=api.NODE), IDS, "pid"),
        (container(mapped(MAPPING)), None, r"mounts\[0\]\.uidMappings"),
        (container(mapped(OTHER)), IDS, r"mounts\[0\]\.uidMappings"),
        (container(mapped(MAPPING, gids=[OTHER])), IDS, r"mounts\[0\]\.gidMappings"),
        (container(mapped(MAPPING, gids=[])), IDS, r"mounts\[0\]\.gidMappings"),
        (container(mapped(gids=[MAPPING])), IDS, r"mounts\[0\]\.gidMappings"),
        (container(mapped(MAPPING, MAPPING)), IDS, r"mounts\[0\]\.uidMappings"),
    ],
)
def test_a_mapping_that_differs_from_the_pods_is_refused_by_its_field(
    config: api.ContainerConfig, ids: IdMap | None, field: str
) -> None:
    with pytest.raises(InvalidArgument, match=rf"^config\.(\w+\.)*{field}: "):
        check_container(config, ids)
