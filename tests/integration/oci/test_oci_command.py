"""Commands that are talked to: pipes and terminals, backpressure, and ends that leave nothing."""

import asyncio
import dataclasses
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CommandNotFound, ToolFailed
from cri_shim.linux import process as processes
from cri_shim.oci import command as commands
from cri_shim.oci.command import Command, OutputHandler, Streams
from cri_shim.wire.remotecommand import Stream

ALL = Streams(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = Streams(stdin=True, stdout=True, stderr=False, tty=True)


@dataclass
class Heard:
    """The output of a command so far."""

    text: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def output(self, number: int, data: bytes) -> None:
        self.text[number] += data
        self.arrived.set()

    async def until(self, words: bytes, number: int = Stream.STDOUT) -> None:
        async with asyncio.timeout(10):
            while words not in self.text[number]:
                self.arrived.clear()
                await self.arrived.wait()


class InteractiveSession:
    def __init__(self, yard: Any, made: Any) -> None:
        self.yard = yard
        self.made = made
        self.heard = Heard()
        self.command: Command

    async def run(self, *argv: str, streams: Streams = ALL) -> Command:
        process = self.yard.document(self.made.id, list(argv), terminal=streams.tty)["process"]
        handler = OutputHandler(self.heard.output, lambda: None, lambda: 0)
        self.command = await self.yard.oci.command(
            self.yard.handler, self.made.id, process, streams, handler
        )
        return self.command


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
async def talk(yard):
    made = await yard.run("sleep 1000")
    talk = InteractiveSession(yard, made)
    yield talk
    if hasattr(talk, "command"):
        await talk.command.close()


async def test_output_is_complete_before_the_exit_code(talk):
    command = await talk.run("sh", "-c", "seq 100000; echo no >&2; exit 3")
    assert await command.wait() == 3
    assert talk.heard.text[Stream.STDOUT].splitlines()[-1] == b"100000"
    assert talk.heard.text[Stream.STDERR] == b"no\n"


async def test_input_reaches_the_command_and_ends(talk):
    command = await talk.run("cat")
    command.feed(b"one ")
    command.feed(b"two")
    command.feed_end()
    assert await command.wait() == 0
    assert talk.heard.text[Stream.STDOUT] == b"one two"


async def test_a_command_killed_by_a_signal_returns_128_and_its_number(talk):
    command = await talk.run("sh", "-c", "kill -9 $$")
    assert await command.wait() == 137


async def test_a_command_that_does_not_exist_is_an_error_and_no_output(talk):
    with pytest.raises(CommandNotFound, match="nothing-like-this"):
        await talk.run("nothing-like-this")
    await asyncio.sleep(0)  # the readers of its pipes have their turn
    assert talk.heard.text == {1: b"", 2: b""}
    assert list((talk.yard.run_root / "exec").iterdir()) == []


async def test_a_child_that_keeps_the_output_open_does_not_delay_the_end(talk):
    command = await talk.run("sh", "-c", "echo here; (sleep 100 & yes >/dev/null &) ; exit 5")
    async with asyncio.timeout(5):
        assert await command.wait() == 5
    assert talk.heard.text[Stream.STDOUT] == b"here\n"


async def test_paused_output_blocks_the_command(talk):
    command = await talk.run("sh", "-c", "head -c 3000000 /dev/zero; echo done >&2; exit 0")
    command.pause()
    before = len(talk.heard.text[Stream.STDOUT])
    assert before < 2_000_000
    command.resume()
    assert await command.wait() == 0
    assert len(talk.heard.text[Stream.STDOUT]) == 3_000_000


async def test_input_that_is_not_read_is_kept_and_counted(talk):
    command = await talk.run("sleep", "1000")
    waiting = command.feed(b"x" * 1_000_000)
    assert 0 < waiting < 1_000_000


async def test_a_terminal_has_the_given_size_and_signals_changes(talk):
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    command = await talk.run("sh", "-c", script, streams=TERMINAL)
    await talk.heard.until(b"ready")
    command.resize(91, 33)
    await talk.heard.until(b"33 91")


async def test_the_end_of_input_reaches_a_program_on_a_terminal(talk):
    command = await talk.run("cat", streams=TERMINAL)
    command.feed(b"hello\n")
    await talk.heard.until(b"hello\r\nhello\r\n")
    command.feed_end()
    assert await command.wait() == 0


async def test_all_that_was_written_to_a_terminal_arrives(talk):
    command = await talk.run("seq", "20000", streams=TERMINAL)
    assert await command.wait() == 0
    assert talk.heard.text[Stream.STDOUT].splitlines()[-1] == b"20000"
    assert len(talk.heard.text[Stream.STDOUT].splitlines()) == 20000


async def test_ending_a_command_ends_its_children_too(talk):
    script = "sleep 777 & (sleep 778 &); echo up; sleep 779"
    command = await talk.run("sh", "-c", script)
    await talk.heard.until(b"up")
    await command.end()
    assert await command.wait() == 128 + signal.SIGKILL
    assert not processes.find_by_cmdline(lambda argv: argv[:1] == ["sleep"] and argv[1][:2] == "77")


async def test_an_ended_container_ends_its_commands(talk):
    command = await talk.run("sleep", "1000")
    await talk.yard.kill(talk.made.init)
    async with asyncio.timeout(5):
        assert await command.wait() == 137
    assert (await talk.yard.next_exit()).exit_code == 137


async def test_the_next_daemon_ends_leftover_commands(talk):
    command = await talk.run("sleep", "1000")
    await talk.yard.oci.end_leftovers()
    assert await command.wait() == 137


# An OCI runtime whose pid file comes late, as crun's does on a busy node: the command runs before.
LATE = """#!/bin/sh
for word; do
    shift
    case $word in --pid-file=*) file=${word#*=}; word=$word.late ;; esac
    set -- "$@" "$word"
done
RUNTIME "$@" || exit
sleep 0.3
mv $file.late $file
"""


async def test_the_next_daemon_ends_unrecorded_commands(talk, monkeypatch):
    late = talk.yard.run_root / "late-runtime"
    late.write_text(LATE.replace("RUNTIME", str(talk.yard.handler.path)))
    late.chmod(0o755)
    slow = dataclasses.replace(talk.yard.handler, run_path=late)
    monkeypatch.setattr(talk.yard, "handler", slow)
    starting = asyncio.create_task(talk.run("sleep", "4323"))
    await talk.yard.until(lambda: running("sleep", "4323"))
    await talk.yard.oci.end_leftovers()
    assert not running("sleep", "4323")
    with suppress(ToolFailed):  # the daemon that began it would be gone
        await starting


def running(*argv: str) -> list[int]:
    return processes.find_by_cmdline(lambda words: words == list(argv))


async def test_nothing_stays_open_or_recorded(talk):
    fds = open_files()
    for streams in (ALL, TERMINAL) * 3:
        command = await talk.run("true", streams=streams)
        assert await command.wait() == 0
        await command.close()
    assert open_files() == fds
    assert list((talk.yard.run_root / "exec").iterdir()) == []


async def test_a_cancelled_start_leaves_no_process(talk):
    starting = asyncio.create_task(talk.run("sleep", "4321"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not running("sleep", "4321")


async def test_a_start_that_is_cancelled_at_any_moment_leaves_no_process(talk):
    for ms in range(40):
        starting = asyncio.create_task(talk.run("sleep", "4322"))
        await asyncio.sleep(ms / 1000)
        starting.cancel()
        with suppress(asyncio.CancelledError):  # unless it was faster
            await (await starting).close()
        assert not running("sleep", "4322"), ms


def test_names_of_records_are_never_the_same():
    assert commands.pid_file(Path("/x")) != commands.pid_file(Path("/x"))
