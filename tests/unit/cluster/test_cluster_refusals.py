"""hack/cluster refuses an impossible request with one sentence, and changes nothing."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from hack.clusterlib import control, machine, namespaces
from hack.clusterlib.place import ClusterError, Place


def place(directory: Path) -> Place:
    return Place(directory, Path("/nonexistent"))


def stale(tmp_path: Path) -> Place:
    """A cluster of which every process was killed."""
    left = place(tmp_path / "c")
    left.create()
    (left / "root").mkdir()
    namespaces.note_supervisor(left, 4194304)
    return left


def test_a_directory_of_an_earlier_cluster_is_refused_and_removed_by_down(tmp_path: Path) -> None:
    left = stale(tmp_path)
    with pytest.raises(ClusterError, match="is left from an earlier cluster: `down` removes it"):
        control.up(left)
    assert (left / "root").is_dir()
    control.down(left)
    assert not left.directory.exists()
    control.down(left)


def test_a_directory_that_no_cluster_made_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    for verb in (control.up, control.down):
        with pytest.raises(ClusterError, match="is not the directory of a cluster"):
            verb(place(tmp_path))
    assert (tmp_path / "precious").exists()


def test_a_file_in_the_place_of_the_directory_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for verb in (control.up, control.down):
        with pytest.raises(ClusterError, match="is not the directory of a cluster"):
            verb(place(tmp_path / "f"))
    assert (tmp_path / "f").exists()


def test_a_cluster_that_runs_is_named_with_its_pid(tmp_path: Path) -> None:
    running = stale(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        namespaces.note_supervisor(running, process.pid)
        with pytest.raises(ClusterError, match=rf"a cluster runs in .* \(pid {process.pid}\)"):
            control.up(running)
        process.kill()


def test_a_cluster_that_another_call_is_starting_is_not_touched(tmp_path: Path) -> None:
    busy = stale(tmp_path)
    fd = os.open(busy.directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        for verb in (control.up, control.down):
            with pytest.raises(ClusterError, match="another hack/cluster"):
                verb(busy)
    finally:
        os.close(fd)
    assert (busy / "root").is_dir()


@pytest.mark.parametrize(
    ("directory", "said"),
    [
        (Path("relative"), "is not an absolute path"),
        (Path("/tmp", "x" * 100), "is too long a path for a socket"),
    ],
)
def test_a_directory_that_cannot_be_used_is_named(directory: Path, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        control.up(place(directory))


def test_a_command_without_a_cluster_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no cluster runs in .*: `up` starts one"):
        control.run(place(tmp_path / "c"), ["true"])


def test_missing_requirements_of_the_machine_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/filesystems").write_text("nodev\tproc\n\text4\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 900000 kB\nMemAvailable: 512000 kB\n")
    (tmp_path / "sys/fs/cgroup/cpu,cpuacct").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/pids").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(machine.problems(tmp_path / "c", tmp_path)) >= {
        "there is no nft; install the package nftables",
        "the kernel has no overlay file system; load the module overlay",
        "the control group controller memory is not mounted",
        "500 MB of memory are available, and a cluster needs 2000",
    }


def test_a_controller_of_version_2_counts(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert machine._controllers(tmp_path) >= {"cpu", "memory", "pids"}
