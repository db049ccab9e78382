"""The default validator: each rule, and required plugins."""

from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.owners import Owners
from cri_shim.nri.rules import REQUIRED, Rules
from cri_shim.pb import nri_pb2 as pb


def request(profile: int | None = None, annotations: dict[str, str] | None = None) -> Any:
    found = pb.ValidateContainerAdjustmentRequest(
        container=pb.Container(id="c", name="main"),
        plugins=[pb.PluginInstance(name="topology", index="10")],
    )
    for key, value in (annotations or {}).items():
        found.pod.annotations[key] = value
    if profile is not None:
        found.container.linux.seccomp_profile.profile_type = profile  # type: ignore[assignment]
    return found


def owners(field: str, key: str | None = None) -> Owners:
    found = Owners()
    found.claim("c", field, "10-a", key)
    return found


EVERYTHING = Rules(True, True, True, True, True, True)


@pytest.mark.parametrize(
    ("field", "key", "profile", "sentence"),
    [
        ("OciHooks", None, None, "hooks"),
        ("Namespace", "ipc", None, "namespaces (ipc)"),
        ("Sysctl", "net.x", None, "kernel parameters (net.x)"),
        ("SeccompPolicy", None, None, "the unconfined seccomp policy"),
        ("SeccompPolicy", None, pb.SecurityProfile.UNCONFINED, "the unconfined seccomp policy"),
        ("SeccompPolicy", None, pb.SecurityProfile.RUNTIME_DEFAULT, "the runtime default seccomp"),
        ("SeccompPolicy", None, pb.SecurityProfile.LOCALHOST, "the custom seccomp policy"),
    ],
)
def test_what_a_rule_forbids_is_rejected_and_allowed_without_it(
    field: str, key: str | None, profile: int | None, sentence: str
) -> None:
    with pytest.raises(ToolFailed) as raised:
        EVERYTHING.check(request(profile), owners(field, key))

    assert str(raised.value).startswith(f"NRI plugin 10-a adjusts {sentence}")
    Rules().check(request(profile), owners(field, key))


def test_a_namespace_that_was_only_cleared_is_allowed() -> None:
    found = Owners()
    found.clear("c", "Sysctl", "10-a", "net.x")

    EVERYTHING.check(request(), found)


@pytest.mark.parametrize("name", ["topology", "10-topology"])
def test_a_required_plugin_that_is_there(name: str) -> None:
    Rules(required=(name,)).check(request(), Owners())


@pytest.mark.parametrize(
    ("rules", "annotations", "missing"),
    [
        (Rules(required=("x", "topology")), {}, "x"),
        (Rules(), {REQUIRED: "[y, z]"}, "y, z"),
        (Rules(), {f"{REQUIRED}/pod": "- y"}, "y"),
        (Rules(), {f"{REQUIRED}/container.main": "[v]", REQUIRED: "[w]"}, "v"),
        (Rules(required=("x",), tolerate="t"), {"t": "false"}, "x"),
    ],
)
def test_a_required_plugin_that_is_missing(
    rules: Rules, annotations: dict[str, str], missing: str
) -> None:
    sentence = f"container main needs NRI plugins that are not connected: {missing}$"
    with pytest.raises(ToolFailed, match=sentence):
        rules.check(request(annotations=annotations), Owners())


@pytest.mark.parametrize("key", ["t", "t/pod", "t/container.main"])
def test_a_pod_may_run_without_required_plugins(key: str) -> None:
    Rules(required=("x",), tolerate="t").check(request(annotations={key: "true"}), Owners())


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ({"t": "maybe"}, "annotation t: 'maybe' is not true or false"),
        ({REQUIRED: "{a: b}"}, f"annotation {REQUIRED} is not a list of names"),
        ({REQUIRED: "[1]"}, f"annotation {REQUIRED} is not a list of names"),
        ({REQUIRED: "["}, f"annotation {REQUIRED} is not YAML"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_an_error(
    annotations: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ToolFailed, match=sentence.replace("[", r"\[")):
        Rules(tolerate="t").check(request(annotations=annotations), Owners())
