"""Files of crictl for pods and containers: what is read, and what is refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from cri_shim.cli import request_file
from cri_shim.errors import ConfigError
from cri_shim.pb import api_pb2 as api

CONTAINER = {
    "metadata": {"name": "app", "attempt": 2},
    "image": {"image": "busybox"},
    "envs": [{"key": "A", "value": "ä=1"}],
    "labels": {"anything/goes": "x"},
    "linux": {
        "resources": {"memory_limit_in_bytes": 1 << 33, "unified": {"memory.high": "1"}},
        "security_context": {"run_as_user": {"value": 7}, "namespace_options": {"pid": 1}},
    },
    "mounts": [{"host_path": "/a", "container_path": "/b", "propagation": 2}],
}


def read(tmp_path: Path, text: str, name: str = "c.json") -> api.ContainerConfig:
    file = tmp_path / name
    file.write_text(text)
    return request_file.read(file, api.ContainerConfig())


def test_a_file_of_crictl_is_read_with_its_numbers_for_names(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(CONTAINER))
    assert (found.metadata.attempt, found.envs[0].value) == (2, "ä=1".encode())
    assert found.linux.security_context.run_as_user.value == 7
    assert found.linux.security_context.namespace_options.pid == api.CONTAINER
    assert found.mounts[0].propagation == api.PROPAGATION_BIDIRECTIONAL
    assert found.labels["anything/goes"] == "x"
    assert found.linux.resources.unified["memory.high"] == "1"


def test_yaml_is_read_too(tmp_path: Path) -> None:
    text = "metadata: {name: app}\nimage: {image: b}\nlogPath: a.log\n"
    assert read(tmp_path, text, "c.yaml").log_path == "a.log"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"comand": ["x"]}, r"comand is an unknown field; did you mean command\?"),
        ({"envs": [{"name": "A"}]}, r"envs\[0\]\.name is an unknown field"),
        ({"linux": {"resources": {"memory": 1}}}, r"linux\.resources\.memory is an unknown field"),
        ({"tty": "yes"}, "tty"),
        ({"command": "sleep"}, "command"),
        ({"linux": {"security_context": {"namespace_options": {"pid": "ALL"}}}}, "pid"),
        ([1], "one object with fields of ContainerConfig is expected"),
        ("text", "one object"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_file_and_field(
    tmp_path: Path, value: Any, problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"c\.json: .*{problem}") as caught:
        read(tmp_path, json.dumps(value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("name", "kind"), [("c.json", "JSON"), ("c.yaml", "YAML")])
def test_text_of_another_format_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} cannot be read as {kind}: "):
        read(tmp_path, "{: [", name)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*/gone\.json: No such file"):
        request_file.read(tmp_path / "gone.json", api.ContainerConfig())


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_file, "MAX_FILE", 10)
    with pytest.raises(ConfigError, match=r"c\.json "):
        read(tmp_path, " " * 11)
