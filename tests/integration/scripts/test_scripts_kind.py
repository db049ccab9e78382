"""hack/kind with missing requirements: one sentence, and nothing is made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def kind(*words: str, **environment: str) -> str:
    """Return its error output; it is expected to fail."""
    done = subprocess.run(
        ["hack/kind", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("verb", ["up", "test", "kubeadm"])
def test_a_directory_of_an_earlier_run_is_not_changed(verb: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = kind(verb, CRI_SHIM_KIND=str(tmp_path))
    assert said == f"kind: {tmp_path} is left from an earlier run; hack/kind down removes it\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_down_removes_such_a_directory(tmp_path: Path) -> None:
    left = tmp_path / "kind-left"
    (left / "data").mkdir(parents=True)
    subprocess.run(
        ["hack/kind", "down"], env={**os.environ, "CRI_SHIM_KIND": str(left)}, check=True
    )
    assert not left.exists()


def test_a_missing_docker_is_an_error_that_names_the_packages(tmp_path: Path) -> None:
    if shutil.which("dockerd"):
        pytest.skip("needs a machine without dockerd")
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\nexit 100\n")
    apt.chmod(0o755)
    place, cache = tmp_path / "place", tmp_path / "cache"
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = kind("up", CRI_SHIM_KIND=str(place), CRI_SHIM_CACHE=str(cache), PATH=path)
    assert said == (
        "kind: dockerd is not installed, and the package docker.io cannot be downloaded; "
        "install docker.io\n"
    )
    assert not place.exists()
    assert list(cache.iterdir()) == []


def test_a_command_without_a_cluster_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "none"
    said = kind("exec", "kubectl", CRI_SHIM_KIND=str(place))
    assert said == f"kind: no cluster runs in {place}; hack/kind up starts one\n"


def test_an_image_needs_a_dockerd_that_answers(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    said = kind("image", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert said == "kind: no dockerd answers to docker version; start docker\n"


def test_an_unknown_verb_is_an_error_with_the_known_ones() -> None:
    assert kind("start").startswith("kind: usage: hack/kind up | test")
