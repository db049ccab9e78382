"""check, config and config --check: with a daemon, without one, and with everything wrong."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.cli.exit_codes import FAILED
from tests.fixtures.daemon import Daemon, empty_daemon


def cli(*words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cri_shim", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)


def flags(daemon: Daemon) -> list[str]:
    return daemon.command()[3:-1]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with empty_daemon(0) as started:
        yield started


def of_node(place: Path, *more: str) -> list[str]:
    """Flags of a node that has had no daemon yet."""
    words = ["--root", str(place / "root"), "--run-root", str(place / "run")]
    return [*words, "--set", f"cni_config_dir={place}/net.d", *more]


def test_a_node_is_checked_before_the_first_start_and_nothing_is_made(tmp_path: Path) -> None:
    done = cli(*of_node(tmp_path), "check", "-o", "json")

    assert done.returncode == 0, done.stdout
    found = {each["what"]: each for each in json.loads(done.stdout)}
    expected = {"kernel", "overlay", "control groups", "conmon", "OCI runtime crun", "pod network"}
    assert expected | {"ip_forward", "masquerading", "socket", "streaming port"} <= found.keys()
    assert found["OCI runtime crun"]["sentence"].endswith(", the default")
    assert list(tmp_path.iterdir()) == []


def test_a_node_on_which_no_pod_can_run_fails_and_says_what_to_install(tmp_path: Path) -> None:
    words = ("--set", 'conmon_path=["/no/conmon"]', "--set", 'cni_plugin_dir=["/no/cni"]')
    done = cli(*of_node(tmp_path, *words), "check")

    assert done.returncode == FAILED
    lines = done.stdout.splitlines()
    assert any(line.split()[:2] == ["conmon", "fails"] for line in lines)
    (conmon,) = [line for line in lines if line.startswith("fails: conmon: ")]
    assert conmon.endswith("install conmon (apt install conmon), or set conmon_path")
    assert any("install containernetworking-plugins" in line for line in lines)


def test_a_daemon_is_asked_and_tells_the_problems_that_it_logs(daemon: Daemon) -> None:
    done = cli(*flags(daemon), "check", "-o", "json")

    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found[0]["sentence"] == f"answers on {daemon.socket}"
    told = {"; ".join(filter(None, (f["sentence"], f["remedy"]))) for f in found}
    lines = daemon.log.read_text().splitlines()
    logged = {line.partition(" problems.watch ")[2] for line in lines if "problems.watch" in line}
    assert logged <= told
    assert {f["level"] for f in found} <= {"ok", "note", "warning"}


def test_config_shows_what_is_in_force_and_what_the_next_start_changes(daemon: Daemon) -> None:
    file = daemon.directory / "config.toml"
    words = flags(daemon)
    file.write_text(file.read_text() + "\n[streaming]\nidle_timeout = 77.0\n")

    shown = cli(*words, "config").stdout.splitlines()
    document = json.loads(cli(*words, "config", "-o", "json").stdout)

    assert shown[0] == f"# in force in the daemon on {daemon.socket}, process {daemon.pid}"
    at = shown.index("idle_timeout = 14400.0  # default")
    assert shown[at - 1].endswith("says 77.0: takes effect at the next start")
    assert sum("next start" in line for line in shown) == 1
    assert document["values"]["streaming.idle_timeout"] == 14400.0
    assert (document["inForce"], document["pid"]) == (True, daemon.pid)


def test_config_without_a_daemon_says_so_on_its_first_line(tmp_path: Path) -> None:
    first, *rest = cli(*of_node(tmp_path), "config").stdout.splitlines()
    socket = tmp_path / "run/cri-shim.sock"
    assert first == f"# no daemon answers on {socket}: these values are for the next start"
    assert f'root = "{tmp_path}/root"  # flag server.root' in rest


def test_config_check_tells_everything_that_a_start_would_refuse(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('conmon_path = ["/no/conmon"]\n[image]\nregistries_conf = "/no/r.conf"\n')
    done = cli("--config", str(file), "config", "--check")
    assert done.returncode == FAILED
    assert "no conmon found; tried: /no/conmon" in done.stderr
    assert f"{file}:3: image.registries_conf: /no/r.conf does not exist" in done.stderr
    assert done.stdout == ""

    file.write_text("namespac = 1\nmax_log_size = 'x'\n")
    done = cli("--config", str(file), "config", "--check")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [f"{file}:1", f"{file}:2"]


def test_config_check_of_the_node_adds_the_table(tmp_path: Path) -> None:
    done = cli(*of_node(tmp_path), "config", "--check", "--node")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "the configuration is valid"
    assert lines[1].split() == ["CHECK", "RESULT", "DETAILS"]
