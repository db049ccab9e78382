"""Exec over SPDY and WebSocket: streams, terminals, exit codes, and ends that leave nothing."""

import asyncio
import hashlib
import json
from contextlib import suppress

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.wire.negotiation import V1, V1_BASE64, V2, V3, V4, V4_BASE64, V5
from tests.fixtures.cri import pod_config
from tests.fixtures.host import processes, resident, until
from tests.fixtures.streams import Talker

HUNDRED_MB = 100_000_000


async def test_output_arrives_and_the_status_is_success(container, exec):
    talker = await exec(container, "sh", "-c", "echo out; echo err >&2")
    assert await talker.status() == {"metadata": {}, "status": "Success"}
    assert (talker.text("stdout"), talker.text("stderr")) == (b"out\n", b"err\n")


async def test_the_exit_code_is_in_the_status(container, exec):
    talker = await exec(container, "sh", "-c", "exit 42")
    assert await talker.code() == 42


async def test_input_arrives_and_its_end_too(container, exec):
    talker = await exec(container, "cat", stdin=True)
    await talker.send(b"hello ")
    await talker.send(b"there")
    await talker.end_input()
    assert await talker.code() == 0
    assert talker.text("stdout") == b"hello there"


async def test_a_command_that_does_not_exist_is_an_error_with_its_reason(container, exec):
    status = await (await exec(container, "nothing-like-this")).status()
    assert status["reason"] == "InternalError"
    assert "nothing-like-this" in status["message"]


async def test_a_terminal_has_the_given_size(container, exec):
    script = "test -t 0 && echo ready; read go; stty size"
    talker = await exec(container, "sh", "-c", script, stdin=True, tty=True)
    await talker.until(b"ready")
    await talker.resize(101, 37)
    await talker.send(b"go\n")
    assert await talker.code() == 0
    assert b"37 101" in talker.text("stdout")


async def test_ctrl_c_on_a_terminal_ends_the_command(container, exec):
    talker = await exec(container, "sh", "-c", "echo ready; sleep 100", stdin=True, tty=True)
    await talker.until(b"ready")
    await talker.send(b"\x03")
    assert await talker.code() == 130


async def test_a_hundred_megabytes_arrive_complete_before_the_status(cri, container, exec):
    script = f"head -c {HUNDRED_MB} /dev/zero; exit 7"
    talker = await exec(container, "sh", "-c", script)
    assert await talker.code() == 7
    text = talker.text("stdout")
    assert len(text) == HUNDRED_MB
    assert not text.strip(b"\0")


async def test_memory_stays_flat_while_much_is_sent(cri, container, exec):
    await (await exec(container, "true")).code()
    before = resident(cri.daemon.pid)
    talker = await exec(container, "head", "-c", str(HUNDRED_MB), "/dev/zero")
    await talker.wire.read_until(lambda: talker.count() > HUNDRED_MB // 2)
    assert resident(cri.daemon.pid) - before < 8 << 20
    assert await talker.code() == 0


async def test_large_input_arrives_complete(container, exec):
    talker = await exec(container, "sh", "-c", "sha256sum", stdin=True)
    piece = bytes(range(256)) * 512
    for _ in range(160):
        await talker.send(piece)
    await talker.end_input()
    assert await talker.code() == 0
    assert talker.text("stdout").split()[0].decode() == hashlib.sha256(piece * 160).hexdigest()


async def test_a_reader_that_stops_reading_stalls_only_itself(cri, container, exec):
    stalled = await exec(container, "sh", "-c", "yes & yes")
    await stalled.until(b"y\n")
    before = resident(cri.daemon.pid)
    other = await exec(container, "head", "-c", "20000000", "/dev/zero")
    assert await other.code() == 0
    assert len(other.text("stdout")) == 20_000_000
    assert (await cri.sh(container, "echo fine")) == "fine\n"
    assert resident(cri.daemon.pid) - before < 8 << 20


async def test_unread_input_stalls_only_its_session(cri, container, exec):
    flooding = await exec(container, "sleep", "654", stdin=True)
    await until(lambda: processes("sleep", "654"))
    before = resident(cri.daemon.pid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            while True:
                await flooding.send(b"x" * 65536)
    assert (await cri.sh(container, "echo fine")) == "fine\n"
    assert resident(cri.daemon.pid) - before < 8 << 20


async def test_the_command_and_its_children_end_when_the_client_disconnects(container, exec):
    script = "sleep 5551 & (sleep 5552 &) ; echo up; sleep 5553"
    talker = await exec(container, "sh", "-c", script)
    await talker.until(b"up")
    await until(lambda: processes("sleep", "5553"))
    talker.close()
    await until(lambda: not any(processes("sleep", f"555{n}") for n in (1, 2, 3)))


async def test_the_command_ends_when_the_client_disconnects_with_unread_input(container, exec):
    talker = await exec(container, "sleep", "5561", stdin=True)
    await until(lambda: processes("sleep", "5561"))
    await talker.send(b"x" * 700_000)
    talker.close()
    await until(lambda: not processes("sleep", "5561"))


async def test_a_background_child_lives_on_when_its_command_has_ended(container, exec):
    talker = await exec(container, "sh", "-c", "sleep 5571 & echo started")
    assert await talker.code() == 0
    assert talker.text("stdout") == b"started\n"
    await until(lambda: processes("sleep", "5571"))


async def test_a_container_that_is_stopped_ends_its_commands(cri, container, exec):
    talker = await exec(container, "sleep", "5581")
    await until(lambda: processes("sleep", "5581"))
    await cri.stop(container)
    assert await talker.code() == 137


async def test_a_shared_pid_namespace_is_emptied_of_commands_too(cri, exec):
    shared = api.LinuxPodSandboxConfig()  # the zero value: one pid namespace for the pod
    pod = await cri.run_pod(pod_config(cri.daemon, linux=shared))
    container = await cri.run(pod, ["sleep", "1000"], linux=api.LinuxContainerConfig())
    talker = await exec(container, "sleep", "5591")
    await until(lambda: processes("sleep", "5591"))
    await cri.stop(container)
    assert await talker.code() == 137
    assert not processes("sleep", "5591")


async def test_nothing_of_a_finished_exec_is_recorded(cri, container, exec):
    assert await (await exec(container, "true", tty=True)).code() == 0
    await until(lambda: not list((cri.daemon.run_root / "exec").iterdir()))


SPOKEN = [("spdy", p) for p in (V1, V2, V3, V4)] + [
    ("websocket", p) for p in (V1, V1_BASE64, V4, V4_BASE64, V5)
]


def ended_with(talker: Talker, protocol: str) -> int:
    """The exit code, as text before v4, where nothing at all is success."""
    told = talker.text("error").decode()
    if protocol not in (V4, V4_BASE64, V5):
        return int(told.rpartition(" ")[2] or 0)
    status = json.loads(told)
    return 0 if status["status"] == "Success" else int(status["details"]["causes"][0]["message"])


@pytest.mark.parametrize(("transport", "protocol"), SPOKEN)
@pytest.mark.parametrize("code", [0, 5])
async def test_every_protocol_carries_input_output_and_status(
    container, exec, transport, protocol, code
):
    script = f"read x; echo got $x; echo oh >&2; exit {code}"
    talker = await exec(container, "sh", "-c", script, stdin=True, protocol=protocol)
    await talker.send(b"it\n")
    await talker.wire.read_until(lambda: False)
    assert (talker.text("stdout"), talker.text("stderr")) == (b"got it\n", b"oh\n")
    assert ended_with(talker, protocol) == code


async def test_a_command_that_runs_is_recorded(cri, container, exec, transport):
    seconds = {"spdy": "5601", "websocket": "5602"}[transport]
    await exec(container, "sleep", seconds)
    await until(lambda: processes("sleep", seconds))

    def recorded() -> set[int]:
        found = set()
        for record in (cri.daemon.run_root / "exec").glob("*.pid"):
            with suppress(OSError):  # another command's, which has ended
                found.add(int(record.read_text() or 0))
        return found

    await until(lambda: recorded().issuperset(processes("sleep", seconds)))


async def test_commands_are_accepted_during_a_stop_and_end_with_the_container(cri, exec):
    pod = await cri.run_pod()
    stubborn = await cri.run(pod, ["sh", "-c", "trap : TERM; while :; do sleep 0.1; done"])
    stopping = asyncio.create_task(cri.stop(stubborn, timeout=60))
    talker = await exec(stubborn, "sh", "-c", "echo meanwhile; sleep 100")
    await talker.until(b"meanwhile\n")
    await cri.stop(stubborn, timeout=0)
    await stopping
    assert await talker.code() == 137


async def test_both_oci_runtimes_serve_a_session(cri, exec, handler):
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "1000"])
    talker = await exec(container, "sh", "-c", "read x; echo got $x; exit 9", stdin=True, tty=True)
    await talker.send(b"it\n")
    assert await talker.code() == 9
    assert b"got it" in talker.text("stdout")
