"""The whole document: namespaces, devices, annotations, privilege, the pause process."""

from dataclasses import replace
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import annotations, container, devices, document, namespaces, pause
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.node_defaults import HandlerDefaults
from cri_shim.spec.pause import PauseInput
from cri_shim.spec.users import User

PINNED = {"net": "/ns/net", "ipc": "/ns/ipc", "uts": "/ns/uts", "pid": "/ns/pid"}
HOST = Host(cgroup_v2=True, bounding=frozenset({"CAP_KILL"}))
WITHOUT_DEVICES = HandlerDefaults(host_devices=False)
FUSE = HostDevice("/dev/fuse", "c", 10, 229)
PID_FIELD = "config.linux.security_context.namespace_options.pid"


def pod(**context: Any) -> api_pb2.PodSandboxConfig:
    linux: Any = {"security_context": context}
    return api_pb2.PodSandboxConfig(linux=linux)


def config(**context: Any) -> api_pb2.ContainerConfig:
    linux: Any = {"security_context": context}
    return api_pb2.ContainerConfig(linux=linux, command=["sh"])


def given(inp_pod: api_pb2.PodSandboxConfig, host: Host = HOST, **context: Any) -> ContainerInput:
    return ContainerInput(
        id="c",
        pod_id="p",
        pod=inp_pod,
        config=config(**context),
        image=ImageConfig(),
        user=User(),
        host=host,
        cgroups_path="/c",
        namespaces=PINNED,
        hostname="h",
        pids_limit=7,
    )


def built(inp_pod: api_pb2.PodSandboxConfig, host: Host = HOST, **context: Any) -> dict[str, Any]:
    return container.build(given(inp_pod, host, **context))


def test_a_privileged_container_in_a_plain_pod_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="needs a privileged pod") as caught:
        built(pod(), privileged=True)

    assert caught.value.field == "config.linux.security_context.privileged"


def test_a_privileged_container_has_no_masked_paths_and_all_devices() -> None:
    host = replace(HOST, devices=(FUSE,))

    linux = built(pod(privileged=True), host, privileged=True, masked_paths=["/proc/kcore"])[
        "linux"
    ]

    assert not {"maskedPaths", "readonlyPaths", "seccomp"} & linux.keys()
    assert [d["path"] for d in linux["devices"]] == ["/dev/fuse"]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert {"type": "cgroup"} not in linux["namespaces"]


def test_a_plain_container_has_the_kubelets_masked_and_read_only_paths() -> None:
    linux = built(pod(), masked_paths=["/proc/kcore"])["linux"]

    assert (linux["maskedPaths"], linux["readonlyPaths"]) == (["/proc/kcore"], [])


def test_a_cgroup_namespace_is_made_on_v2_only() -> None:
    v1 = built(pod(), replace(HOST, cgroup_v2=False))["linux"]["namespaces"]
    v2 = built(pod())["linux"]["namespaces"]

    assert {"type": "cgroup"} not in v1
    assert {"type": "cgroup"} in v2


def test_a_limit_of_processes_is_set_if_given() -> None:
    assert built(pod())["linux"]["resources"]["pids"] == {"limit": 7}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("POD", "/ns/pid"), ("CONTAINER", ""), ("NODE", None), ("TARGET", "/proc/7/fd/3")],
)
def test_the_pid_namespace_is_as_requested(mode: str, expected: str | None) -> None:
    found = namespaces.for_container(
        config(namespace_options={"pid": mode}), pod(), PINNED, "/proc/7/fd/3"
    )

    assert found.get("pid") == expected


def test_a_container_without_a_pid_mode_has_its_pods() -> None:
    pinned = {kind: path for kind, path in PINNED.items() if kind != "pid"}
    in_pod = pod(namespace_options={"pid": "CONTAINER"})

    found = namespaces.for_container(api_pb2.ContainerConfig(), in_pod, pinned)

    assert found == pinned | {"pid": namespaces.NEW}


@pytest.mark.parametrize("mode", ["POD", "TARGET"])
def test_a_pid_namespace_that_does_not_exist_is_refused(mode: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        namespaces.for_container(config(namespace_options={"pid": mode}), pod(), {})

    assert caught.value.field == PID_FIELD


def test_namespaces_of_the_host_are_not_mentioned() -> None:
    assert namespaces.build({}, cgroup=False) == [{"type": "mount"}]


def test_a_device_has_the_requested_path_and_access() -> None:
    asked = api_pb2.Device(container_path="/dev/f", host_path="/dev/fuse", permissions="r")

    assert devices.resolve(asked, {"": FUSE}) == [replace(FUSE, path="/dev/f", access="r")]


def test_a_directory_of_devices_keeps_its_tree() -> None:
    asked = api_pb2.Device(host_path="/dev/snd")

    found = devices.resolve(asked, {"b/c": FUSE, "a": FUSE})

    assert [(d.path, d.access) for d in found] == [("/dev/snd/a", "rwm"), ("/dev/snd/b/c", "rwm")]


def test_a_requested_device_wins_over_the_hosts_node_of_its_path() -> None:
    own = replace(FUSE, mode=0o600)

    found = devices.nodes([own], [FUSE], privileged=True)

    assert [d["fileMode"] for d in found] == [0o600]


def test_a_requested_device_is_allowed_with_the_requested_access() -> None:
    found = devices.rules([replace(FUSE, access="r")], privileged=False)

    assert found[0] == {"allow": False, "access": "rwm"}
    assert found[-1] == {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"}


def test_annotations_that_control_the_oci_runtime_are_removed() -> None:
    own: Any = {"run.oci.handler": "x", "org.systemd.property.A": "1", "kept": "yes"}
    the_config = api_pb2.ContainerConfig(annotations=own)

    found = annotations.build("container", "p", pod(), the_config, "img")

    assert found["kept"] == "yes"
    assert not [key for key in found if key.startswith(("run.oci.", "org.systemd."))]


def test_annotations_of_the_container_cannot_name_another_pod() -> None:
    own: Any = {"io.kubernetes.cri.sandbox-id": "another"}
    the_config = api_pb2.ContainerConfig(annotations=own)

    found = annotations.build("container", "p", pod(), the_config)

    assert found["io.kubernetes.cri.sandbox-id"] == "p"


def pause_of(**context: Any) -> dict[str, Any]:
    return pause.build(PauseInput("p", pod(**context), "/bin/init", HOST, "/p", PINNED))


def test_the_pause_process_has_a_pid_namespace_of_its_own_and_no_capabilities() -> None:
    found = pause_of()

    assert {"type": "pid"} in found["linux"]["namespaces"]
    assert set(map(tuple, found["process"]["capabilities"].values())) == {()}


def test_the_pause_process_runs_as_the_pods_user() -> None:
    found = pause_of(run_as_user={"value": 5}, run_as_group={"value": 6}, supplemental_groups=[7])

    assert found["process"]["user"] == {"uid": 5, "gid": 6, "additionalGids": [6, 7]}


def test_a_document_survives_its_way_to_disk_and_back() -> None:
    original = {"env": ["A=é\n\"'", "B=\ufffd"], "n": 1}

    assert document.decode(document.encode(original)) == original


def test_text_that_is_not_unicode_is_written_as_utf8() -> None:
    assert document.encode({"a": "x\udcff"}) == b'{"a":"x?"}'


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a":', b"\xff"])
def test_a_malformed_document_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        document.decode(data)


def of_containers(
    pod_annotations: dict[str, str], *allowed: str, own: dict[str, str] | None = None, **kw: Any
) -> dict[str, str]:
    the_pod = api_pb2.PodSandboxConfig(annotations=pod_annotations)
    the_config = api_pb2.ContainerConfig(annotations=own or {})
    found = annotations.build("container", "p", the_pod, the_config, allowed=allowed, **kw)
    return {k: v for k, v in found.items() if not k.startswith("io.kubernetes.cri.")}


def test_annotations_of_the_pod_pass_the_patterns_of_its_handler_alone() -> None:
    asked = {"a.example/x": "1", "a.example/y": "2", "b.example/x": "3"}
    assert of_containers(asked) == {}
    assert of_containers(asked, "a.example/y") == {"a.example/y": "2"}
    assert of_containers(asked, "*/x") == {"a.example/x": "1", "b.example/x": "3"}
    assert of_containers(asked, "a?example/[xy]") == {}


def test_a_switch_of_the_oci_runtime_passes_only_a_pattern_with_its_prefix() -> None:
    asked = {"run.oci.hooks.stdout": "/etc/x", "org.systemd.property.A": "1", "kept": "yes"}
    assert of_containers(asked, "*", "run.*", "*.stdout") == {"kept": "yes"}
    assert of_containers(asked, "run.oci.*") == {"run.oci.hooks.stdout": "/etc/x"}


def test_annotations_of_the_container_win_over_the_pods_and_these_over_the_handlers() -> None:
    default = {"a": "handler", "b": "handler", "c": "handler", "run.oci.x": "handler"}
    asked = {"a": "pod", "b": "pod", "run.oci.x": "pod", "io.kubernetes.cri.sandbox-id": "other"}
    found = of_containers(asked, "*", own={"a": "own", "run.oci.x": "own"}, default=default)
    assert found == {"a": "own", "b": "pod", "c": "handler", "run.oci.x": "handler"}


def test_an_allowed_annotation_of_the_pod_cannot_name_another_pod() -> None:
    the_pod = api_pb2.PodSandboxConfig(annotations={"io.kubernetes.cri.sandbox-id": "other"})
    found = annotations.build("container", "p", the_pod, api_pb2.ContainerConfig(), allowed=["*"])
    assert found["io.kubernetes.cri.sandbox-id"] == "p"


def test_a_handler_without_host_devices_gives_a_privileged_container_the_usual_ones() -> None:
    host = replace(HOST, devices=(FUSE,))
    privileged = pod(privileged=True)
    inp = replace(given(privileged, host, privileged=True), of_handler=WITHOUT_DEVICES)
    found = container.build(inp)["linux"]
    plain = built(pod())["linux"]
    assert found["devices"] == plain["devices"] == []
    assert found["resources"]["devices"] == plain["resources"]["devices"]
    assert "maskedPaths" not in found  # it is privileged in all other respects


def test_a_limit_of_memory_below_the_handlers_minimum_is_refused() -> None:
    inp = replace(given(pod()), of_handler=HandlerDefaults(min_memory=12 << 20))
    limits = inp.config.linux.resources
    for enough in (0, -1, 12 << 20):
        limits.memory_limit_in_bytes = enough
        container.build(inp)
    limits.memory_limit_in_bytes = (12 << 20) - 1
    with pytest.raises(InvalidArgument, match="12582911 bytes are less than the 12582912") as e:
        container.build(inp)
    assert e.value.field == "config.linux.resources.memory_limit_in_bytes"
