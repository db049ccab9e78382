"""The properties of a container's systemd unit."""

import pytest

from cri_shim.pb import api_pb2
from cri_shim.spec import container, pause, scope
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.document import Document
from cri_shim.spec.host import Host
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.pause import PauseInput
from cri_shim.spec.users import User

HOST = Host(cgroup_v2=True, bounding=frozenset())
SCOPE = "kubepods-pod1.slice:cri-shim:c1"
STOP = "org.systemd.property.TimeoutStopUSec"
TASKS = "org.systemd.property.TasksMax"


@pytest.mark.parametrize(
    ("grace", "told"),
    [
        (None, "uint64 10000000"),
        ("30", "uint64 30000000"),
        ("0", "uint64 1000000"),  # 0 would be no limit
        ("99999999", "uint64 86400000000"),
        ("-1", "uint64 10000000"),
        ("9" * 5000, "uint64 10000000"),
        ("1e3", "uint64 10000000"),
        ("٣", "uint64 10000000"),
    ],
)
def test_a_shutdown_waits_for_the_pods_grace_period(grace: str | None, told: str) -> None:
    asked = {} if grace is None else {scope.GRACE: grace}
    assert scope.annotations(SCOPE, asked)[STOP] == told


def test_a_group_that_is_not_a_unit_has_no_properties() -> None:
    assert scope.annotations("/kubepods/pod1/c1", {scope.GRACE: "30"}) == {}


def test_the_pause_process_does_not_delay_a_shutdown() -> None:
    document = pause.build(PauseInput("p1", api_pb2.PodSandboxConfig(), "/init", HOST, SCOPE, {}))
    assert document["annotations"][STOP] == "uint64 10000000"


def built(cgroups_path: str, **config: object) -> Document:
    return container.build(
        ContainerInput(
            id="c1",
            pod_id="p1",
            pod=api_pb2.PodSandboxConfig(),
            config=api_pb2.ContainerConfig(command=["true"], **config),  # type: ignore[arg-type]
            image=ImageConfig(),
            user=User(),
            host=HOST,
            cgroups_path=cgroups_path,
            namespaces={},
            hostname="h",
        )
    )


def test_the_unit_of_a_container_has_its_grace_period() -> None:
    document = built(SCOPE, annotations={scope.GRACE: "30", STOP: "uint64 1"})
    assert document["annotations"][STOP] == "uint64 30000000"
    assert STOP not in built("/kubepods/pod1/c1", annotations={STOP: "1"})["annotations"]


def test_without_a_pids_limit_only_a_unit_has_a_property() -> None:
    document = built(SCOPE)
    assert document["annotations"][TASKS] == "uint64 18446744073709551615"
    assert "pids" not in document["linux"]["resources"]  # crun 1.8 fails on a limit of -1
    assert TASKS not in built("/kubepods/pod1/c1")["annotations"]


def test_a_pids_limit_is_left_to_the_oci_runtime() -> None:
    assert TASKS not in scope.annotations(SCOPE, {}, pids_limit=7)
