"""Definition files in both forms, right and wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.spec.hook_files import parse
from cri_shim.spec.hooks import RUNTIME_STAGES, STAGES, Hook, Subject, matches


def read(**fields: Any) -> Hook:
    return parse(json.dumps(fields).encode())


def current(**fields: Any) -> Hook:
    whole = {"hook": {"path": "/h"}, "when": {"always": True}, "stages": ["prestart"]}
    return read(**{"version": "1.0.0", **whole, **fields})


def old(**fields: Any) -> Hook:
    return read(**{"hook": "/h", "stages": ["prestart"], "cmds": ["."], **fields})


def test_the_manuals_example_of_the_current_form_is_read() -> None:
    hook = current(
        hook={
            "path": "/usr/sbin/gpu-hook",
            "args": ["gpu-hook", "prestart"],
            "env": ["NEED=cuda>=9.1"],
            "timeout": 5,
        },
        when={"annotations": {"^com\\.example\\.department$": ".*fluid-dynamics$"}},
        stages=["prestart", "poststop"],
    )
    assert (hook.path, hook.args) == ("/usr/sbin/gpu-hook", ("gpu-hook", "prestart"))
    assert (hook.env, hook.timeout) == (("NEED=cuda>=9.1",), 5)
    assert hook.stages == ("prestart", "poststop")
    annotated = Subject("x", {"com.example.department": "fluid-dynamics"}, bind_mounts=False)
    assert matches(hook, annotated)


def test_the_manuals_example_of_the_old_form_is_read() -> None:
    hook = read(
        cmds=[".*/init$", ".*/systemd$"],
        hook="/usr/libexec/oci/hooks.d/oci-systemd-hook",
        stages=["prestart", "poststop"],
        arguments=["--debug"],
    )
    assert hook.args == (hook.path, "--debug")
    assert matches(hook, Subject("/lib/systemd/systemd", {}, bind_mounts=False))
    assert not matches(hook, Subject("/bin/sh", {}, bind_mounts=False))


@pytest.mark.parametrize(
    ("conditions", "container"),
    [
        ({"cmd": ["^/bin/sh$"]}, Subject("/bin/sh", {}, bind_mounts=False)),
        ({"cmds": ["^/bin/sh$"]}, Subject("/bin/sh", {}, bind_mounts=False)),
        ({"annotation": ["b"]}, Subject("", {"any": "abc"}, bind_mounts=False)),
        ({"annotations": ["x", "b"]}, Subject("", {"any": "abc"}, bind_mounts=False)),
        ({"hasbindmounts": True}, Subject("", {}, bind_mounts=True)),
        ({"cmd": ["no"], "annotation": ["b"]}, Subject("", {"k": "b"}, bind_mounts=False)),
    ],
)
def test_every_condition_of_the_old_form_by_either_name(
    conditions: dict[str, Any], container: Subject
) -> None:
    hook = read(hook="/h", stage=["prestart"], version="0.1.0", **conditions)
    assert matches(hook, container)
    assert not matches(hook, Subject("other", {"k": "other"}, bind_mounts=False))


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_known(stage: str) -> None:
    assert current(stages=[stage]).stages == old(stages=[stage]).stages == (stage,)


def test_the_runtimes_stages_are_those_of_its_specification() -> None:
    assert set(RUNTIME_STAGES) == {
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
    }  # fmt: skip


def test_names_of_properties_are_read_whatever_their_case() -> None:
    assert current(when={"HasBindMounts": True}).when.bind_mounts
    assert old(hasBindMounts=True).when.bind_mounts


def test_posix_character_classes_are_understood() -> None:
    hook = current(when={"commands": ["^/bin/[[:alpha:]_]+[[:digit:]]$"]})
    assert matches(hook, Subject("/bin/tool_7", {}, bind_mounts=False))
    assert not matches(hook, Subject("/bin/7", {}, bind_mounts=False))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"version": "2.0.0"}, "version: '2.0.0' is neither 1.0.0 nor 0.1.0"),
        ({"version": 1}, "version: must be a string, not 1"),
        ({"hook": "/h"}, "hook: must be an object"),
        ({"hook": {"path": "rel"}}, "hook.path: must be an absolute path, not 'rel'"),
        ({"hook": {}}, "hook.path: must be an absolute path, not ''"),
        ({"hook": {"path": "/h", "args": "x"}}, "args: must be a list of strings, not 'x'"),
        ({"hook": {"path": "/h", "env": ["A"]}}, "hook.env: must be NAME=VALUE, not 'A'"),
        ({"hook": {"path": "/h", "timeout": -1}}, "hook.timeout: must be a number of seconds"),
        ({"hook": {"path": "/h", "timeout": True}}, "hook.timeout: must be a number of seconds"),
        ({"hook": {"path": "/h\0"}}, "path: must be a string"),
        ({"when": {}}, "when: gives no condition"),
        ({"when": None}, "when: must be an object"),
        ({"when": {"command": ["x"]}}, "when: 'command' is no condition; there are always"),
        ({"when": {"always": "yes"}}, "always: must be true or false, not 'yes'"),
        ({"when": {"commands": ["("]}}, r"when.commands: '(' is no regular expression"),
        ({"when": {"annotations": {"a": 1}}}, "a: must be a string, not 1"),
        ({"when": {"annotations": {"*": "a"}}}, "when.annotations: '*' is no regular expression"),
        ({"stages": []}, "stages: names no stage; there are precreate, prestart"),
        ({"stages": None}, "stages: names no stage"),
        ({"stages": ["prestop"]}, "stages: 'prestop' is no stage; there are precreate"),
    ],
)
def test_errors_in_the_current_form_are_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        current(**fields)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"hook": None}, "hook: must be an absolute path, not ''"),
        ({"stage": ["poststop"]}, "stages and stage are one property"),
        ({"cmd": ["x"]}, "cmds and cmd are one property"),
        ({"annotation": ["x"], "annotations": ["y"]}, "annotations and annotation are one"),
        ({"cmds": None}, "gives no condition: none of cmds, annotations, hasbindmounts"),
        ({"cmds": "x"}, "cmds: must be a list of strings"),
        ({"hasbindmounts": 1}, "hasbindmounts: must be true or false"),
    ],
)
def test_errors_in_the_old_form_are_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        old(**fields)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"x"', b"{}"])
def test_a_file_without_a_definition_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_fields = st.sampled_from(
    ["version", "hook", "when", "stages", "stage", "cmd", "annotations", "hasbindmounts"]
)


@given(st.dictionaries(_fields, _json))
def test_any_content_is_parsed_or_raises_value_error(
    fields: dict[str, Any],
) -> None:
    outcome = "hook"
    try:
        parse(json.dumps({"version": "1.0.0", **fields}).encode())
    except ValueError:
        outcome = "refused"
    assert outcome in ("hook", "refused")
