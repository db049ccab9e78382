"""The hooks that match a container, and their effect on its document."""

import re
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.spec.hooks import Definition, Hook, Subject, When, edited, inject, matches, subject

PLAIN = Subject("/sbin/init", {"team": "fluid-dynamics", "tier": "gold"}, bind_mounts=False)
MOUNTED = Subject("/bin/app", {}, bind_mounts=True)


def a_hook(*stages: str, when: When | None = None, **fields: Any) -> Hook:
    all_fields = {"path": "/h", "args": (), "env": (), "timeout": 0, **fields}
    return Hook(when=when or When(always=True), stages=stages or ("prestart",), **all_fields)


def defined(*hooks: Hook) -> list[Definition]:
    return [Definition(Path("/etc/h.json"), hook) for hook in hooks]


def held(container: Subject, **conditions: Any) -> bool:
    return matches(a_hook(when=When(**conditions)), container)


def pair(key: str, value: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(key), re.compile(value)


COMMAND = {"commands": (re.compile("/sh$"), re.compile("/init$"))}
TEAM = {"annotations": (pair("^team$", "fluid"),)}


@pytest.mark.parametrize(
    ("conditions", "plain", "mounted"),
    [
        ({"always": True}, True, True),
        ({"always": False}, False, False),
        ({"bind_mounts": True}, False, True),
        ({"bind_mounts": False}, False, False),
        (COMMAND, True, False),
        (TEAM, True, False),
        ({"annotations": (pair("^team$", "^fluid$"),)}, False, False),
        ({"annotations": (pair("t", "gold"), pair("te", "dyn"))}, True, False),
        ({"annotations": (pair("team", "gold"),)}, False, False),
        ({}, False, False),
    ],
)
def test_each_condition_is_evaluated(
    conditions: dict[str, Any], plain: bool, mounted: bool
) -> None:
    assert (held(PLAIN, **conditions), held(MOUNTED, **conditions)) == (plain, mounted)


@pytest.mark.parametrize(
    ("conditions", "all_of_them", "any_of_them"),
    [
        (COMMAND | TEAM, True, True),
        (COMMAND | {"always": False}, False, True),
        (COMMAND | {"bind_mounts": True}, False, True),
        (TEAM | {"commands": (re.compile("nothing"),)}, False, True),
        ({"bind_mounts": True, "commands": (re.compile("nothing"),)}, False, False),
    ],
)
def test_all_conditions_must_hold_and_in_the_old_form_one(
    conditions: dict[str, Any], all_of_them: bool, any_of_them: bool
) -> None:
    assert held(PLAIN, **conditions) is all_of_them
    assert held(PLAIN, any_will_do=True, **conditions) is any_of_them


def test_the_pods_annotations_count_and_the_containers_win() -> None:
    document = {"process": {"args": ["a", "b"]}, "annotations": {"x": "container"}}
    of = subject(document, {"x": "pod", "y": "pod"}, [])
    assert of == Subject("a", {"x": "container", "y": "pod"}, bind_mounts=False)


def test_an_image_volume_is_no_bind_mount() -> None:
    volume = api.Mount(container_path="/v", image=api.ImageSpec(image="i"))
    assert not subject({}, {}, [volume]).bind_mounts
    assert subject({}, {}, [volume, api.Mount(host_path="/h")]).bind_mounts


def test_hooks_are_appended_to_their_stages_in_order() -> None:
    before = {"hooks": {"prestart": [{"path": "/first"}]}, "root": {}}
    full = a_hook("prestart", "poststop", args=("h", "x"), env=("A=b",), timeout=3)
    after = inject(before, defined(full, a_hook("precreate", "prestart")))
    entry = {"path": "/h", "args": ["h", "x"], "env": ["A=b"], "timeout": 3}
    assert after == {
        "root": {},
        "hooks": {"prestart": [{"path": "/first"}, entry, {"path": "/h"}], "poststop": [entry]},
    }
    assert before["hooks"] == {"prestart": [{"path": "/first"}]}


def test_a_precreate_hook_alone_leaves_no_hooks_in_the_document() -> None:
    assert inject({"root": {}}, defined(a_hook("precreate"))) == {"root": {}}


BEFORE = {
    "root": {"path": "/r"},
    "linux": {"cgroupsPath": "/c"},
    "process": {"args": ["a"], "terminal": False},
}


def test_the_output_of_a_precreate_hook_is_the_document() -> None:
    text = b"""{"root": {"path": "/r", "readonly": true}, "linux": {"cgroupsPath": "/c"},
        "process": {"args": ["b"], "terminal": false}, "new": 1}"""
    assert edited(BEFORE, text)["new"] == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "Expecting value"),
        (b"[]", "a JSON object was expected"),
        (b'{"root": {}, "linux": {}}', "the document it wrote has no process"),
        (b'{"root": {}, "linux": {}, "process": {"args": []}}', "has no process.args"),
        (
            b'{"root": {"path": "/x"}, "linux": {"cgroupsPath": "/c"},'
            b' "process": {"args": ["a"], "terminal": false}}',
            r"it changed root\.path",
        ),
        (
            b'{"root": {"path": "/r"}, "linux": {}, "process": {"args": ["a"]}}',
            r"it changed linux\.cgroupsPath",
        ),
    ],
)
def test_an_unusable_document_of_a_precreate_hook_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        edited(BEFORE, text)


def test_only_the_program_of_a_start_container_hook_is_not_searched_on_the_host() -> None:
    assert not a_hook("startContainer").on_host()
    assert a_hook("startContainer", "poststop").on_host()
