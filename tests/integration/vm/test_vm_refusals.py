"""Refusals of hack/vm: one sentence, and nothing is left half made."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
STARTS = Path("/dev/net/tun").exists() and all(map(shutil.which, ("ssh", "ip", "git", "nsenter")))

pytestmark = pytest.mark.skipif(not STARTS, reason="needs a virtual machine's tun, ssh and git")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the image and the node are kept; there is none yet."""
    place = tmp_path / "cri-shim/vm"
    place.mkdir(parents=True)
    return place


def refusal(place: Path, *words: str, under: Sequence[str] = (), path: str = "") -> str:
    """The one line of a hack/vm that fails."""
    env = {**os.environ, "XDG_CACHE_HOME": str(place.parent.parent)}
    env |= {"PATH": path} if path else {}
    command = [*under, "/bin/bash", str(TOP / "hack/vm"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    return line


def there(place: Path) -> list[str]:
    """All but locks, which are empty files."""
    return sorted(path.name for path in place.iterdir() if not path.name.endswith("lock"))


@pytest.mark.parametrize("words", [["ready"], ["test", "--bounded"]])
def test_without_an_image_the_bounded_run_builds_none(place: Path, words: list[str]) -> None:
    line = refusal(place, *words)
    assert line == (
        f"vm: the image for this checkout is not in {place};"
        " hack/vm make builds it, in about 8 minutes"
    )
    assert there(place) == []


@pytest.mark.parametrize("verb", ["up", "test", "copy", "reboot", "cut", "boot", "down"])
def test_a_second_run_is_refused_while_the_first_works(place: Path, verb: str) -> None:
    with (place / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = refusal(place, verb)
    assert line == f"vm: another hack/vm works with the node in {place}; wait for its end"


def test_a_second_build_is_refused_during_the_first(place: Path) -> None:
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = refusal(place, "make")
    assert line == f"vm: another hack/vm builds an image in {place}; wait for its end"


@pytest.fixture
def stale(place: Path) -> Path:
    """The remains of a node whose machine lost its power while the node was being made."""
    (place / "node").mkdir()
    (place / "node/pid").write_text(f"{os.getpid()} 1\n")  # another process has the pid by now
    (place / "node/copying").write_text("a part of an image")
    return place


@pytest.mark.parametrize("verb", ["shell", "copy", "reboot", "cut"])
def test_a_dead_node_does_not_count_as_running(stale: Path, verb: str) -> None:
    assert refusal(stale, verb) == "vm: no node runs; start one with hack/vm up"


def test_a_node_that_was_not_finished_is_not_booted(stale: Path) -> None:
    assert refusal(stale, "boot") == "vm: there is no node to boot; start one with hack/vm up"


def test_the_directory_of_a_dead_node_is_removed(stale: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(stale.parent.parent)}
    subprocess.run([TOP / "hack/vm", "down"], env=env, check=True)
    assert there(stale) == []


def test_a_machine_without_tun_is_an_error(place: Path) -> None:
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]
    line = refusal(place, "up", under=hidden)
    assert line == "vm: there is no /dev/net/tun; load the module tun (modprobe tun)"
    assert there(place) == []


def test_a_machine_without_ssh_is_an_error_that_names_the_package(
    place: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "id", "uname", "mkdir"):
        (programs / name).symlink_to(str(shutil.which(name)))
    line = refusal(place, "up", path=str(programs))
    assert line == "vm: there is no ssh; install the package openssh-client"
