"""Child processes: their output and their ends; nothing of them is left."""

import asyncio
import errno
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cri_shim.aio import child, pipes
from cri_shim.errors import TimedOut, ToolFailed


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_program_gives_its_output_and_code() -> None:
    done = await child.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.argv[0] == "sh"


async def test_a_signal_is_a_negative_code() -> None:
    assert (await child.run(["sh", "-c", "kill -TERM $$"])).returncode == -signal.SIGTERM


async def test_input_larger_than_a_pipe_arrives_whole() -> None:
    data = os.urandom(1 << 20)
    assert (await child.run(["cat"], stdin=data)).stdout == data


async def test_without_input_there_is_an_end_of_file() -> None:
    assert (await child.run(["cat"])).stdout == b""


async def test_environment_and_directory_are_as_given(tmp_path: Path) -> None:
    done = await child.run(["/bin/sh", "-c", "pwd; echo $A"], env={"A": "b"}, cwd=str(tmp_path))
    assert done.stdout.decode().splitlines() == [str(tmp_path), "b"]


async def test_output_above_the_limit_is_read_and_dropped() -> None:
    done = await child.run(["head", "-c", "1000000", "/dev/zero"], limit=1000)
    assert (done.returncode, len(done.stdout)) == (0, 1000)


async def test_a_program_that_does_not_exist_is_named_and_leaves_no_descriptor() -> None:
    before = descriptors()
    with pytest.raises(ToolFailed, match="cannot run /no/such: No such file"):
        await child.run(["/no/such"], stdin=b"x")
    assert descriptors() == before


async def test_a_program_that_takes_too_long_is_killed_and_reaped() -> None:
    before = descriptors()
    with pytest.raises(TimedOut, match=r"sleep did not end within 0\.05 s"):
        await child.run(["sleep", "600"], timeout=0.05)
    assert child.ours == set()
    assert descriptors() == before


async def test_a_cancelled_run_is_killed_and_reaped_first(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "up")
    script = f"echo $$ > {tmp_path}/pid; echo > {tmp_path}/up; exec sleep 600"
    task = asyncio.create_task(child.run(["sh", "-c", script]))
    await asyncio.sleep(0)
    await asyncio.to_thread((tmp_path / "up").read_bytes)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
    assert child.ours == set()


async def test_output_held_open_by_a_grandchild_is_not_waited_for(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; echo done"
    before = time.monotonic()
    done = await child.run(["sh", "-c", script])
    taken = time.monotonic() - before
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.stdout == b"done\n"
    assert taken < 2 * pipes.DRAIN_S


async def test_the_program_inherits_only_the_requested_descriptors() -> None:
    read_end, write_end = os.pipe()
    # Its own descriptor of the directory is in the list, but closed by then.
    listing = (
        "import os; names = os.listdir('/proc/self/fd');"
        "print(*sorted(int(n) for n in names if os.path.exists(f'/proc/self/fd/{n}')))"
    )
    done = await child.run([sys.executable, "-c", listing], pass_fds=[write_end])
    os.close(read_end)
    os.close(write_end)
    assert done.stdout.split() == [b"0", b"1", b"2", str(write_end).encode()]


async def test_several_tasks_can_wait_and_one_can_be_cancelled() -> None:
    running = child.spawn(["sleep", "600"])
    first, second = asyncio.create_task(running.wait()), asyncio.create_task(running.wait())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    running.kill()
    assert await second == -signal.SIGKILL
    assert await running.wait() == -signal.SIGKILL


async def test_killing_an_ended_process_does_nothing() -> None:
    running = child.spawn(["true"])
    await running.wait()
    running.kill()
    await running.end()


async def test_a_session_is_made_on_request() -> None:
    running = child.spawn(["sleep", "600"], session=True)
    session = os.getsid(running.pid)
    await running.end()
    assert session == running.pid


@pytest.mark.large
async def test_the_processes_of_its_session_are_killed_too(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(TimedOut):
        await child.run(["sh", "-c", script], timeout=0.5, session=True)
    pid = int((tmp_path / "pid").read_text())
    async with asyncio.timeout(10):
        while alive(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that another process must reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_may_be_given_another_name_for_itself() -> None:
    done = await child.run(["other", "-c", "echo $0"], executable="/bin/sh")
    assert (done.returncode, done.stdout) == (0, b"other\n")
    with pytest.raises(ToolFailed, match="cannot run /no/such: No such file"):
        await child.run(["other"], executable="/no/such")


@pytest.mark.parametrize("call", ["pipe2", "memfd_create", "pidfd_open"])
@pytest.mark.parametrize("nth", [1, 2])
async def test_without_descriptors_the_error_has_the_reason_and_nothing_leaks(
    monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    before = descriptors()
    real, calls = getattr(os, call), list[int]()

    def used_up(*args: int) -> object:
        calls.append(1)
        outcome = {nth: fail}.get(len(calls), real)
        return outcome(*args)

    def fail(*args: int) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, call, used_up)
    with pytest.raises(ToolFailed, match="Too many open files"):
        await child.run(["cat"], stdin=b"x")
        await child.run(["cat"], stdin=b"x")
    assert descriptors() == before
    assert child.ours == set()


@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [
        (b"out", b" err \n", "err"),
        (b"out\n", b"", "out"),
        (b"", b"", "exit status 4, no message"),
        (b"", b"\xff", "\ufffd"),
    ],
)
def test_a_complaint_is_the_programs_error_output(stdout: bytes, stderr: bytes, words: str) -> None:
    assert child.Finished(("tool",), 4, stdout, stderr).complaint() == words


def test_a_long_complaint_keeps_its_end() -> None:
    text = b"x" * 5000 + b"the reason"
    assert child.Finished(("tool",), 1, b"", text).complaint().endswith("the reason")
    assert len(child.Finished(("tool",), 1, b"", text).complaint()) == 2000
