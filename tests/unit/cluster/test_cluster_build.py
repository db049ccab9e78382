"""hack/k8s/build finds existing builds without Go and without a network."""

import subprocess
from pathlib import Path


def build(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"CRI_SHIM_CACHE": str(cache), "PATH": "/usr/bin:/bin"}
    command = ["hack/k8s/build", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_missing_builds_are_named_and_nothing_is_built(tmp_path: Path) -> None:
    done = build(tmp_path / "cache", "--cached", "kubelet", "etcd")
    assert done.returncode == 1
    assert "not built yet: kubelet etcd" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_the_directory_of_programs_that_are_built_is_printed(tmp_path: Path) -> None:
    directory = Path(
        build(tmp_path, "--cached", "kubelet").stderr.rpartition("(in ")[2].strip(")\n")
    )
    directory.mkdir()
    for name in ("kubelet", "etcd"):
        (directory / name).touch(mode=0o755)
    done = build(tmp_path, "kubelet", "etcd")
    assert done.stdout == f"{directory}\n"


def test_an_unknown_program_is_refused(tmp_path: Path) -> None:
    done = build(tmp_path, "kubeletd")
    assert done.returncode == 1
    assert "no program kubeletd; there are: kubelet" in done.stderr
