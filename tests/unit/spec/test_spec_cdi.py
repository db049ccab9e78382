"""CDI: specification files, the choice of the device, and the edits of a container's document."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.spec import cdi, cdi_file
from cri_shim.spec.host import HostDevice

KIND = "vendor.com/gpu"


def spec(
    *devices: dict[str, Any],
    path: str = "/etc/cdi/a.json",
    priority: int = 0,
    kind: str = KIND,
    **edits: Any,
) -> cdi.Spec:
    value = {"cdiVersion": "0.6.0", "kind": kind, "devices": devices, "containerEdits": edits}
    return cdi_file.parse({**value, "devices": list(devices)}, path, priority)


def device(name: str, **edits: Any) -> dict[str, Any]:
    return {"name": name, "containerEdits": edits}


def select(specs: list[cdi.Spec], *names: str, problems: tuple[str, ...] = ()) -> cdi.Edits:
    return cdi.select(specs, cdi.names(names, {}), problems)


def document() -> dict[str, Any]:
    return {
        "process": {"env": ["PATH=/bin", "A=1"], "user": {"uid": 0, "gid": 0}},
        "mounts": [{"destination": "/proc"}, {"destination": "/data/x", "source": "old"}],
        "linux": {"devices": [], "resources": {"devices": [{"allow": False}]}},
    }


def test_devices_are_requested_by_field_and_annotation_each_once() -> None:
    annotations = {"cdi.k8s.io/x": f"{KIND}=1,{KIND}=0", "other": "cdi.k8s.io/"}
    asked = cdi.names([f"{KIND}=0"], annotations)
    assert asked == {
        f"{KIND}=0": "config.CDI_devices[0].name",
        f"{KIND}=1": "config.annotations[cdi.k8s.io/x]",
    }


@pytest.mark.parametrize(
    "name", ["", "gpu", "vendor.com/gpu", "vendor.com=0", f"{KIND}=", "a/b=c d"]
)
def test_a_malformed_device_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        cdi.names([name], {})
    assert refused.value.field == "config.CDI_devices[0].name"
    with pytest.raises(InvalidArgument) as refused:
        cdi.names([], {"cdi.k8s.io/a": name})
    assert refused.value.field == "config.annotations[cdi.k8s.io/a]"


def test_edits_of_the_whole_file_come_first_and_once() -> None:
    one = spec(device("0", env=["A=0"]), device("1", env=["A=1"]), env=["ALL=1"])
    assert select([one], f"{KIND}=1", f"{KIND}=0").env == ("ALL=1", "A=1", "A=0")


def test_a_device_of_a_later_directory_replaces_that_of_an_earlier_one() -> None:
    early = spec(device("0", env=["A=early"]), env=["EARLY=1"])
    late = spec(device("0", env=["A=late"]), path="/run/a.json", priority=1)
    assert select([late, early], f"{KIND}=0").env == ("A=late",)


def test_a_device_that_two_files_of_a_directory_have_is_refused() -> None:
    specs = [spec(device("0")), spec(device("0"), path="/etc/cdi/b.json")]
    with pytest.raises(InvalidArgument, match=r"is in /etc/cdi/a.json and /etc/cdi/b.json"):
        select(specs, f"{KIND}=0")


def test_an_unknown_device_is_named_with_the_files_it_may_be_in() -> None:
    with pytest.raises(InvalidArgument) as refused:
        select([spec(device("0"))], f"{KIND}=7", problems=("/etc/cdi/torn.json: no JSON",))
    assert str(refused.value) == (
        f"config.CDI_devices[0].name: no CDI device {KIND}=7 on this node;"
        " files that cannot be read: /etc/cdi/torn.json: no JSON"
    )


@pytest.mark.parametrize("unknown", ["intelRdt", "netDevices"])
def test_an_impossible_edit_is_refused_only_if_its_device_is_requested(
    unknown: str,
) -> None:
    specs = [spec(device("0"), device("1", **{unknown: {"a": 1}}))]
    assert select(specs, f"{KIND}=0") == cdi.Edits()
    with pytest.raises(InvalidArgument, match=f"needs {unknown}, which is not done here"):
        select(specs, f"{KIND}=1")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "the file: mapping expected, found list"),
        ({}, ".cdiVersion is missing"),
        ({"cdiVersion": "9.0.0"}, "cdiVersion '9.0.0' is not known"),
        ({"cdiVersion": "0.5.0", "kind": "gpu"}, "kind 'gpu' is not of the form"),
        ({"devices": {}}, ".devices: list expected"),
        ({"devices": [{"name": "a b"}]}, "'a b' is no name"),
        ({"devices": [{"name": "a"}, {"name": "a"}]}, "or there twice"),
        ({"containerEdits": {"env": ["A"]}}, ".containerEdits.env: 'A' is not NAME=VALUE"),
        ({"containerEdits": {"deviceNodes": [{}]}}, "deviceNodes[0].path is missing"),
        ({"containerEdits": {"deviceNodes": [{"path": "x"}]}}, "not an absolute path"),
        ({"containerEdits": {"deviceNodes": [{"path": "/x", "type": "z"}]}}, "type 'z'"),
        ({"containerEdits": {"deviceNodes": [{"path": "/x", "major": True}]}}, "int expected"),
        ({"containerEdits": {"mounts": [{"containerPath": "/x"}]}}, "hostPath is missing"),
        ({"containerEdits": {"hooks": [{"hookName": "x", "path": "/x"}]}}, "hookName: 'x' is none"),
        ({"containerEdits": {"additionalGids": ["x"]}}, "additionalGids: int expected"),
    ],
)
def test_the_error_of_a_wrong_file_has_the_place(value: Any, problem: str) -> None:
    whole = {"cdiVersion": "0.6.0", "kind": KIND, **value} if value and len(value) == 1 else value
    whole = value if "cdiVersion" in value else whole
    with pytest.raises(ValueError) as wrong:
        cdi_file.parse(whole, "/etc/cdi/a.json", 0)
    assert problem in str(wrong.value)


def test_nodes_list_the_values_to_read_from_the_host() -> None:
    asked = {"path": "/dev/g", "hostPath": "/dev/h", "type": "u", "major": 1, "minor": 2, "uid": 0}
    edits = spec(deviceNodes=[asked, {"path": "/dev/x", "fileMode": 0o600, "permissions": "r"}])
    assert edits.edits.nodes == (
        cdi.Node("/dev/g", "/dev/h", "c", 1, 2, uid=0),
        cdi.Node("/dev/x", "/dev/x", mode=0o600, access="r"),
    )


def test_all_edits_are_applied_and_the_rest_of_the_document_is_kept() -> None:
    edits = spec(
        env=["A=2", "B=3"],
        mounts=[
            {"hostPath": "/lib/x", "containerPath": "/data/x", "options": ["ro", "bind"]},
            {"hostPath": "/lib/y", "containerPath": "/y"},
            {"hostPath": "tmpfs", "containerPath": "/t", "type": "tmpfs", "options": ["size=1m"]},
        ],
        hooks=[{"hookName": "createContainer", "path": "/hook", "args": ["hook", "x"]}],
        additionalGids=[44, 44],
    ).edits
    before = document()
    node = HostDevice("/dev/g", "c", 10, 5, 0o660, 1, 2, "rw")
    changed = cdi.applied(before, edits, [node])
    assert before == document()
    assert changed["process"]["env"] == ["PATH=/bin", "A=2", "B=3"]
    assert changed["process"]["user"]["additionalGids"] == [44]
    assert changed["hooks"] == {"createContainer": [{"path": "/hook", "args": ["hook", "x"]}]}
    assert [(m["destination"], m.get("source"), m.get("options")) for m in changed["mounts"]] == [
        ("/proc", None, None),
        ("/y", "/lib/y", ["rbind"]),
        ("/t", "tmpfs", ["size=1m"]),
        ("/data/x", "/lib/x", ["ro", "bind"]),
    ]
    assert changed["linux"]["devices"] == [
        {
            "path": "/dev/g",
            "type": "c",
            "major": 10,
            "minor": 5,
            "fileMode": 0o660,
            "uid": 1,
            "gid": 2,
        }
    ]
    assert changed["linux"]["resources"]["devices"] == [
        {"allow": False},
        {"allow": True, "type": "c", "major": 10, "minor": 5, "access": "rw"},
    ]
