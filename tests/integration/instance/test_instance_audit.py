"""The audit record of a daemon, sockets with a role, and running sessions, with real clients."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.audit.verify import lines, verify
from cri_shim.cli.exit_codes import DENIED, FAILED, NOT_FOUND
from cri_shim.errors import PermissionDenied
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.cri import LIMIT_S, POLL_S, Cri
from tests.fixtures.daemon import Daemon, empty_daemon, private_daemon

SOCKETS = """
[[sockets]]
path = "{0}/watch.sock"
[[sockets]]
path = "{0}/exec.sock"
role = "exec"
verbs = ["StopContainer"]
uids = [{1}]
[[sockets]]
path = "{0}/nobody.sock"
role = "full"
uids = [65533]
"""


class Watched(Daemon):
    """A daemon with an audit record and further sockets."""

    def command(self) -> list[str]:
        command = super().command()
        with (self.directory / "config.toml").open("a") as config:
            config.write(SOCKETS.format(self.directory, os.geteuid()))
        return command


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    record = tmp_path_factory.mktemp("audit") / "record.jsonl"
    settings: dict[str, Any] = {"audit.file": str(record), "audit.on_failure": "refuse"}
    with private_daemon(0, Watched, **settings) as started:
        yield started


@pytest.fixture
def record(daemon: Daemon) -> Path:
    return Path(str(daemon.settings["audit.file"]))


def entries(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in lines(record)]


def cli(
    daemon: Daemon, *words: str, socket: str = "cri.sock"
) -> "subprocess.CompletedProcess[str]":
    flags = ["--config", str(daemon.directory / "config.toml")]
    command = [sys.executable, "-m", "cri_shim", *flags, "--socket", f"{daemon.directory}/{socket}"]
    return subprocess.run(
        [*command, *words], capture_output=True, text=True, check=False, timeout=120
    )


async def test_a_change_is_recorded_with_who_what_and_how_it_ended(cri: Cri, record: Path) -> None:
    before = len(entries(record))
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"], envs=[api.KeyValue(key="A", value=b"hidden")])
    await cri.exec(container, "echo", "hidden")
    await cri.runtime.ListContainers(api.ListContainersRequest())
    await cri.stop(container)
    await cri.exited(container)

    found = entries(record)[before:]
    begun = [entry for entry in found if entry["event"] == "open"]
    assert [entry["verb"] for entry in begun] == [
        "RunPodSandbox", "CreateContainer", "StartContainer", "ExecSync", "StopContainer",
    ]  # fmt: skip
    assert {entry["peer"]["pid"] for entry in begun} == {os.getpid()}
    assert begun[0]["peer"]["program"] == str(Path("/proc/self/exe").readlink())
    ended = {entry["id"]: entry["result"] for entry in found if entry["event"] == "close"}
    assert ended == {entry["id"]: "OK" for entry in begun}
    assert "hidden" not in record.read_text()
    assert verify(record).problem == ""


async def test_the_socket_for_reading_refuses_a_stop_and_lists(
    daemon: Daemon, cri: Cri, record: Path
) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])

    async with Client(daemon.directory / "watch.sock") as client:
        watch = Cri(daemon, client)
        assert await watch.containers(id=container) == [container]
        with pytest.raises(PermissionDenied) as refused:
            await watch.stop(container)
        assert f"{daemon.directory}/watch.sock, whose role is read-only" in str(refused.value)
        for call in (
            watch.runtime.Exec(api.ExecRequest(container_id=container, cmd=["sh"], stdout=True)),
            watch.runtime.Attach(api.AttachRequest(container_id=container, stdout=True)),
            watch.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=container, port=[1])),
            watch.control.Exec(control.ExecRequest(container_id=container, cmd=["sh"])),
            watch.control.SetLogLevel(control.SetLogLevelRequest(level="info")),
            watch.exec(container, "true"),
        ):
            with pytest.raises(PermissionDenied):
                await call
    assert entries(record)[-1]["event"] == "denied"
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING


async def test_a_verb_can_be_added_to_a_role(daemon: Daemon, cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
    async with Client(daemon.directory / "exec.sock") as client:
        calls = Cri(daemon, client)
        assert await calls.sh(container, "echo here") == "here\n"
        with pytest.raises(PermissionDenied):
            await calls.remove(container)
        await calls.stop(container)


async def test_a_user_who_is_not_listed_may_do_nothing(daemon: Daemon) -> None:
    async with Client(daemon.directory / "nobody.sock") as client:
        with pytest.raises(PermissionDenied, match=r"user \d+ may not use"):
            await client.runtime.Version(api.VersionRequest())


def test_the_command_line_says_what_the_role_forbids(daemon: Daemon) -> None:
    done = cli(daemon, "log-level", "info", socket="watch.sock")
    assert (done.returncode, done.stderr.count("\n")) == (DENIED, 1)
    assert "SetLogLevel is not allowed on" in done.stderr


async def test_a_session_is_listed_ended_and_recorded(
    daemon: Daemon, cri: Cri, record: Path
) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
    session = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "cri_shim", "--socket", str(daemon.socket), "exec", container,
         "sh", "-c", "echo begun; sleep 1000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert session.stdout is not None
    assert await asyncio.to_thread(session.stdout.readline) == "begun\n"
    answer = await cri.control.ListSessions(control.ListSessionsRequest())
    (running,) = answer.sessions

    assert (running.purpose, running.container_id, running.peer.uid) == ("exec", container, 0)
    assert running.peer.pid == session.pid
    assert answer.exec_syncs_begun >= 0
    listed = await asyncio.to_thread(cli, daemon, "sessions")
    assert running.id in listed.stdout
    done = await asyncio.to_thread(cli, daemon, "sessions", "end", running.id[:8])
    _, told = await asyncio.to_thread(session.communicate, timeout=LIMIT_S)
    assert (done.returncode, "ended by an operator" in told) == (0, True), told
    async with asyncio.timeout(LIMIT_S):
        while (last := entries(record)[-1])["id"] != running.id:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    assert (last["event"], last["result"]) == ("close", "ENDED")
    gone = await asyncio.to_thread(cli, daemon, "sessions", "end", running.id)
    assert (gone.returncode, "there is no session" in gone.stderr) == (NOT_FOUND, True)


def test_the_record_is_shown_checked_and_survives_a_kill(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    settings: dict[str, Any] = {"audit.file": str(record)}
    with empty_daemon(1, Watched, **settings) as daemon:
        assert cli(daemon, "log-level", "debug").returncode == 0
        daemon.kill()
        daemon.start()
        shown = cli(daemon, "audit", "-n", "1")
        checked = cli(daemon, "audit", "verify")
        text = record.read_bytes()
        record.write_bytes(text.replace(b"SetLogLevel", b"SetLogLeveL", 1))
        broken = cli(daemon, "audit", "verify")
        record.write_bytes(text)

    assert " start" in shown.stdout, shown
    assert checked.returncode == 0, checked.stderr
    assert broken.returncode == FAILED
    assert f"{record}:2: its hash is not that of its text: it was changed" in broken.stderr
    assert verify(record).problem == ""
