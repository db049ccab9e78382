"""Image configurations: the fields that are read, and errors that name the place."""

import json
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.spec import image_config
from cri_shim.spec.image_config import ImageConfig

FULL = {
    "architecture": "amd64",
    "config": {
        "User": "app:extra",
        "Env": ["PATH=/bin", "EMPTY=", "torn", "=x"],
        "Entrypoint": ["/entry"],
        "Cmd": ["serve"],
        "WorkingDir": "/srv",
        "StopSignal": "SIGQUIT",
        "Volumes": {"/data": {}, "/cache": {}},
        "Labels": {"a": "b"},
    },
}


def test_every_field_that_a_container_uses_is_read() -> None:
    assert image_config.parse(json.dumps(FULL).encode()) == ImageConfig(
        env=("PATH=/bin", "EMPTY="),
        entrypoint=("/entry",),
        cmd=("serve",),
        working_dir="/srv",
        user="app:extra",
        stop_signal="SIGQUIT",
        volumes=("/cache", "/data"),
        labels={"a": "b"},
    )


@pytest.mark.parametrize(
    "blob", [{}, {"config": None}, {"config": {"Env": None, "Cmd": None, "Volumes": None}}]
)
def test_absent_and_null_fields_are_empty(blob: dict[str, Any]) -> None:
    assert image_config.parse(json.dumps(blob).encode()) == ImageConfig()


@pytest.mark.parametrize("length", range(len(json.dumps(FULL))))
def test_a_blob_torn_anywhere_is_refused(length: int) -> None:
    with pytest.raises(InvalidArgument, match="pull the image again"):
        image_config.parse(json.dumps(FULL).encode()[:length])


@pytest.mark.parametrize(
    ("blob", "field"),
    [
        ([], "image configuration"),
        ({"config": []}, "image configuration.config"),
        ({"config": {"Cmd": "sh"}}, "image configuration.config.Cmd"),
        ({"config": {"Env": ["A=1", 2]}}, "image configuration.config.Env[1]"),
        ({"config": {"User": 0}}, "image configuration.config.User"),
        ({"config": {"Labels": {"a": 1}}}, "image configuration.config.Labels.a"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(blob: Any, field: str) -> None:
    with pytest.raises(InvalidArgument, match="was expected, found") as caught:
        image_config.parse(json.dumps(blob).encode())

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("own", "field", "problem"),
    [
        ({"User": "a\0"}, ".config.User", "has a NUL character"),
        ({"Env": ["A=1", "B=\0"]}, ".config.Env[1]", "has a NUL character"),
        ({"Volumes": {"/a\0b": {}}}, ".config.Volumes", "has a NUL character"),
        ({"Labels": {"\0": ""}}, ".config.Labels", "has a NUL character"),
        ({"User": "1" * 1025}, ".config.User", "has 1025 characters, at most 1024"),
        ({"ExposedPorts": []}, ".config.ExposedPorts", "an object was expected"),
        ({"OnBuild": [1]}, ".config.OnBuild[0]", "a string was expected"),
    ],
)
def test_an_unusable_value_is_named(own: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        image_config.parse(json.dumps({"config": own}).encode())

    assert caught.value.field == "image configuration" + field


def test_a_key_of_any_length_makes_a_short_error() -> None:
    with pytest.raises(InvalidArgument) as caught:
        image_config.parse(json.dumps({"config": {"Labels": {"x" * 100_000: 1}}}).encode())

    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [None, 5, "text", {"a": 1}, [1, None, {"created": "x"}]])
def test_entries_that_are_no_history_steps_are_left_out(value: Any) -> None:
    steps = image_config.steps(json.dumps({"history": value}).encode())
    assert steps == ([{"created": "x"}] if isinstance(value, list) else [])


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="pull the image again"):
        image_config.parse(b"\xff\xfe\x00garbage")
