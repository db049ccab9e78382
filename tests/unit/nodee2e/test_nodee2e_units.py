"""hack/node-e2e: the stand-in for systemd starts, lists and ends the kubelet's unit."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.nodee2elib import units

UNIT = "kubelet-20260102T030405.service"


class Manager:
    """The stand-in with its directory; every process it started ends with the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "units"
        self.directory.mkdir()
        self.log = directory / "kubelet.log"

    def call(self, *words: str) -> int:
        return units.main([str(self.directory), *words])

    def start(self, *command: str) -> None:
        log = f"StandardError=append:{self.log}"
        options = ["-p", "Delegate=true", "-p", log, f"--unit={UNIT}", "--slice=runtime.slice"]
        assert self.call("systemd-run", *options, "--remain-after-exit", *command) == 0

    def pid(self) -> int:
        return int((self.directory / UNIT).with_suffix(".pid").read_text())

    def log_has(self, text: str) -> bool:
        limit = time.monotonic() + 10
        while text not in self.log.read_text() and time.monotonic() < limit:
            time.sleep(0.02)
        return text in self.log.read_text()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.call("systemctl", "kill", "kubelet")
    os.waitpid(-1, 0)


def test_a_unit_runs_and_is_listed_by_its_name(
    manager: Manager, capsys: pytest.CaptureFixture[str]
):
    manager.start("sleep", "1000")

    assert manager.call("systemctl", "list-units", "*kubelet*", "--state=running") == 0
    assert UNIT in capsys.readouterr().out


def test_an_ended_unit_is_listed_unless_only_running_ones_are_requested(
    manager: Manager, capsys: pytest.CaptureFixture[str]
):
    manager.start("sleep", "1000")
    manager.call("systemctl", "kill", UNIT.removesuffix(".service"))

    manager.call("systemctl", "list-units", "*kubelet*", "--state=running")
    assert capsys.readouterr().out == ""
    manager.call("systemctl", "list-units", "*kubelet*")
    assert UNIT in capsys.readouterr().out


def test_restart_ends_the_process_and_starts_the_same_command(manager: Manager):
    manager.start("sh", "-c", 'echo "run %%d with $$1" >&2; exec sleep 1000')
    first = manager.pid()
    assert manager.log_has("run %d with")

    manager.call("systemctl", "restart", UNIT.removesuffix(".service"))

    assert not Path(f"/proc/{first}").exists()
    assert manager.pid() != first
    assert manager.log.read_text().count("run") >= 1


def test_an_unknown_verb_fails(manager: Manager):
    manager.start("sleep", "1000")

    assert manager.call("systemctl", "isolate", "rescue.target") == 1
