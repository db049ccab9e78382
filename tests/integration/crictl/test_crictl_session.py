"""A whole session with the real crictl, as an operator would type it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.images import Image, Registry, Tar, busybox_layer

CRICTL = os.environ.get("CRICTL") or shutil.which("crictl") or ""
pytestmark = pytest.mark.skipif(not CRICTL, reason="needs crictl, on PATH or by $CRICTL")


class Crictl:
    """Runs crictl against one socket; a failure shows its output."""

    def __init__(self, daemon: Daemon) -> None:
        self._config = daemon.directory / "crictl.yaml"
        self._config.write_text(f"runtime-endpoint: unix://{daemon.socket}\ntimeout: 20\n")
        self._directory = daemon.directory

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [CRICTL, "--config", str(self._config), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"crictl {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def json(self, *words: str) -> Any:
        return json.loads(self(*words))

    def file(self, name: str, content: dict[str, Any]) -> str:
        path = self._directory / name
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("crictl") / "registry") as started:
        yield started


@pytest.fixture(scope="module")
def crictl(registry: Registry) -> Iterator[Crictl]:
    with private_daemon(1, **{"image.registries_conf": str(registry.conf)}) as daemon:
        yield Crictl(daemon)
        assert daemon.traces() == []


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    """Three layers with a whiteout: the third removes a file of the second."""
    second = Tar().file("etc/motd", b"hello\n").file("etc/secret", b"gone\n")
    third = Tar().file("etc/.wh.secret", b"")
    made = Image([busybox_layer(), second, third], config={"Cmd": ["sleep", "600"]})
    return registry.push(made, "team/app:1")


POD = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "attempt": 0},
    "hostname": "web-1",
    "linux": {"security_context": {"namespace_options": {"pid": 1}}},
}
CONTAINER = {
    "metadata": {"name": "main", "attempt": 0},
    "command": ["sh", "-c", "echo hello; echo oops >&2; sleep 600"],
    "log_path": "main.log",
    "linux": {"security_context": {"namespace_options": {"pid": 1}}},
}


def test_version_and_info_show_a_ready_runtime(crictl: Crictl) -> None:
    assert "RuntimeName:  cri-shim" in crictl("version")
    conditions = {c["type"]: c["status"] for c in crictl.json("info")["status"]["conditions"]}
    assert conditions == {"RuntimeReady": True, "NetworkReady": True}


def test_images_are_pulled_listed_inspected_and_removed(crictl: Crictl, image: str) -> None:
    assert "Image is up to date" in crictl("pull", image)
    listed = {
        tag: row for row in crictl.json("images", "-o", "json")["images"] for tag in row["repoTags"]
    }
    assert image in listed
    status = crictl.json("inspecti", image)
    assert status["status"]["id"] == listed[image]["id"]
    assert int(status["status"]["size"]) > 0
    assert "imageSpec" in status["info"]
    assert crictl.json("imagefsinfo")["status"]["imageFilesystems"]
    crictl("rmi", image)
    assert image not in crictl("images", "-o", "json")


def test_a_pod_from_run_to_removal(crictl: Crictl, image: str, tmp_path: Path) -> None:
    crictl("pull", image)
    pod_file = crictl.file("pod.json", {**POD, "log_directory": str(tmp_path)})
    container_file = crictl.file("container.json", {**CONTAINER, "image": {"image": image}})
    pod = crictl("runp", pod_file)
    container = crictl("create", pod, container_file, pod_file)
    assert crictl.json("inspect", container)["status"]["state"] == "CONTAINER_CREATED"
    crictl("start", container)
    assert crictl.json("ps", "-o", "json")["containers"][0]["id"] == container
    assert crictl("exec", "-s", container, "cat", "/etc/motd") == "hello"
    assert "secret" not in crictl("exec", "-s", container, "ls", "/etc")
    assert set(crictl("logs", container).split()) >= {"hello"}
    assert (tmp_path / "main.log").read_text().count(" stderr F oops") == 1
    inspected = crictl.json("inspect", container)
    assert inspected["status"]["state"] == "CONTAINER_RUNNING"
    assert inspected["info"]["runtimeSpec"]["process"]["args"][0] == "sh"
    assert inspected["info"]["pid"] > 0
    pods = crictl.json("pods", "-o", "json")["items"]
    assert [p["state"] for p in pods if p["id"] == pod] == ["SANDBOX_READY"]
    assert crictl.json("inspectp", pod)["status"]["network"]["ip"]
    crictl("update", "--cpu-share", "256", container)
    resources = crictl.json("inspect", container)["status"]["resources"]["linux"]
    assert int(resources["cpuShares"]) == 256
    crictl("stop", container)
    assert crictl.json("inspect", container)["status"]["state"] == "CONTAINER_EXITED"
    crictl("rm", container)
    crictl("stopp", pod)
    assert crictl.json("inspectp", pod)["status"]["state"] == "SANDBOX_NOTREADY"
    crictl("rmp", pod)
    assert crictl("pods", "-q") == ""
    crictl("rmi", image)


def test_one_command_runs_a_container_and_removes_it(
    crictl: Crictl, image: str, tmp_path: Path
) -> None:
    crictl("pull", image)
    pod_file = crictl.file("pod.json", {**POD, "log_directory": str(tmp_path)})
    container_file = crictl.file("container.json", {**CONTAINER, "image": {"image": image}})
    container = crictl("run", "--no-pull", container_file, pod_file)
    assert crictl.json("inspect", container)["status"]["state"] == "CONTAINER_RUNNING"
    crictl("rmp", "--force", "--all")
    crictl("rmi", image)
