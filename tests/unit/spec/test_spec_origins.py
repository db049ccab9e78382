"""The origins of fields: every field of every document on file has one, and it is the right one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cri_shim.pb import api_pb2
from cri_shim.spec import container, origins, plan, process, users
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.document import Document
from cri_shim.spec.node_defaults import HandlerDefaults, NodeDefaults
from cri_shim.spec.origins import Recorder
from tests.unit.spec import test_spec_golden as golden

CONTEXT = "config.linux.security_context"
OF_OTHERS = (golden.pause_process, golden.exec_in_a_kubelet_container)
CASES = [case for case in golden.CASES if case not in OF_OTHERS]


def explained(inp: ContainerInput) -> tuple[Document, dict[str, str]]:
    recorder = Recorder()
    document = plan.decide(replace(inp, origins=recorder)).document
    return document, recorder.of(document)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_field_of_the_documents_on_file_has_an_origin(
    case: Callable[[], Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders: list[Recorder] = []
    build = container.build

    def recorded(inp: ContainerInput) -> Document:
        assert isinstance(inp.origins, Recorder)
        recorders.append(inp.origins)
        return build(inp)

    made = golden.given
    monkeypatch.setattr(
        golden, "given", lambda *a, **kw: replace(made(*a, **kw), origins=Recorder())
    )
    monkeypatch.setattr("cri_shim.spec.plan.container.build", recorded)
    document = case()
    found = recorders[0].of(document)
    lost = [path for path, origin in found.items() if origin == origins.UNKNOWN]
    # The users of the documents on file are resolved before their recorder exists.
    assert [path for path in lost if not path.startswith("/process/user")] == []


def test_the_recorder_changes_no_document() -> None:
    inp = golden.with_a_cdi_device(golden.HOST_V2)
    assert explained(inp)[0] == plan.decide(inp).document
    assert not origins.OFF and Recorder()


def test_the_request_wins_over_the_image_and_the_image_over_the_node() -> None:
    node = NodeDefaults(env={"LANG": "de", "TZ": "UTC", "PORT": "1"})
    inp = golden.given(args=["x"], envs=[{"key": "PORT", "value": b"80"}])
    _, found = explained(replace(inp, node=node))
    assert found["/process/args/0"] == "image Entrypoint"
    assert found["/process/args/1"] == "CRI config.args"
    environment = {path: o for path, o in found.items() if path.startswith("/process/env")}
    assert list(environment.values()) == [
        "image Env",  # PATH
        "CRI sandbox_config.hostname",
        "image Env",  # LANG
        "node default containers.default_env",
        "CRI config.envs[0]",
        "image /etc/passwd",  # HOME
    ]


def test_each_capability_has_its_own_origin() -> None:
    asked = {"add_capabilities": ["NET_ADMIN"], "add_ambient_capabilities": ["SYS_ADMIN"]}
    document, found = explained(golden.given({"security_context": {"capabilities": asked}}))
    at = {name: n for n, name in enumerate(document["process"]["capabilities"]["bounding"])}

    def origin(name: str) -> str:
        return found[f"/process/capabilities/bounding/{at[name]}"]

    assert origin("CAP_CHOWN") == "node default containers.default_capabilities"
    assert origin("CAP_NET_ADMIN") == f"CRI {CONTEXT}.capabilities.add_capabilities[0]"
    assert origin("CAP_SYS_ADMIN") == f"CRI {CONTEXT}.capabilities.add_ambient_capabilities"


def test_an_annotation_has_the_origin_of_its_value() -> None:
    handler = HandlerDefaults(
        annotations={"a": "1", "b": "1", "c": "1"}, allowed_annotations=("*",)
    )
    inp = golden.given(annotations={"a": "3"})
    inp.pod.annotations.update({"a": "2", "b": "2"})
    _, found = explained(replace(inp, of_handler=handler, handler="crun"))
    own = {path.rpartition("/")[2]: o for path, o in found.items() if "annotations" in path}
    assert own["a"] == "CRI config.annotations"
    assert own["b"] == "annotation of the pod, b"
    assert own["c"] == "node default runtimes.crun.default_annotations"
    assert own["io.kubernetes.cri.sandbox-id"] == "cri-shim"


def test_edits_of_devices_and_hooks_are_theirs() -> None:
    document, found = explained(with_names(golden.with_a_cdi_device(golden.HOST_V2)))
    library = [mount["destination"] for mount in document["mounts"]].index("/lib/gpu")
    assert found[f"/mounts/{library}"] == "CDI gpu.example/a=0"
    assert found["/hooks"] == "CDI gpu.example/a=0"


def with_names(inp: ContainerInput) -> ContainerInput:
    name = "CDI gpu.example/a=0"
    nodes = [replace(node, origin=name) for node in inp.cdi_nodes]
    return replace(inp, cdi_edits=replace(inp.cdi_edits, origin=name), cdi_nodes=nodes)


@pytest.mark.parametrize(
    ("context", "image_user", "uid", "gid"),
    [
        ({}, "", "cri-shim", "image /etc/passwd"),
        ({}, "app", "image User", "image /etc/passwd"),
        ({}, "7:8", "image User", "image User"),
        ({"run_as_user": {"value": 7}}, "app", f"CRI {CONTEXT}.run_as_user", "cri-shim"),
        (
            {"run_as_username": "app", "run_as_group": {"value": 9}},
            "",
            f"CRI {CONTEXT}.run_as_username",
            f"CRI {CONTEXT}.run_as_group",
        ),
    ],
)
def test_user_and_group_have_their_own_origins(
    context: Any, image_user: str, uid: str, gid: str
) -> None:
    recorder = Recorder()
    message = api_pb2.LinuxContainerSecurityContext(**context)
    found = users.resolve(message, image_user, golden.PASSWD, golden.GROUP, recorder)
    named = recorder.of({"process": {"user": process.user(found)}})
    if len(named) == 1:
        assert named == {"/process": uid}
    else:
        assert (named["/process/user/uid"], named["/process/user/gid"]) == (uid, gid)


def test_a_part_with_one_origin_is_one_entry_and_pointers_are_escaped() -> None:
    recorder = Recorder()
    recorder.put("x", "a")
    recorder.put("y", "b", "c/d~e")
    assert recorder.of({"a": {"b": [1, 2], "c": {}}, "b": {"c/d~e": 1, "f": 2}}) == {
        "/a": "x",
        "/b/c~1d~0e": "y",
        "/b/f": origins.UNKNOWN,
    }
