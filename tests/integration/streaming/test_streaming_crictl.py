"""exec, attach and port-forward by the real crictl, over both of its transports."""

import asyncio
import os
import pty
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fixtures.cri import Cri
from tests.fixtures.host import processes, until

CRICTL = os.environ.get("CRICTL") or shutil.which("crictl") or ""
pytestmark = pytest.mark.skipif(not CRICTL, reason="needs crictl, on PATH or by $CRICTL")
LIMIT_S = 20


@pytest.fixture(params=["spdy", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Crictl:
    """Starts crictl against the file's daemon."""

    def __init__(self, daemon, transport: str) -> None:
        config = daemon.directory / "crictl-stream.yaml"
        config.write_text(f"runtime-endpoint: unix://{daemon.socket}\ntimeout: 20\n")
        self._start = [CRICTL, "--config", str(config)]
        self.transport = transport

    @asynccontextmanager
    async def __call__(self, verb: str, *words: str, **files: int) -> AsyncIterator[Any]:
        pipes: dict[str, Any] = {
            "stdin": asyncio.subprocess.DEVNULL,
            "stdout": -1,
            "stderr": -1,
            **files,
        }
        process = await asyncio.create_subprocess_exec(
            *self._start, verb, "-r", self.transport, *words, **pipes
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]

    async def run(self, verb: str, *words: str, stdin: bytes | None = None):
        """Exit code, stdout and stderr."""
        pipe = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
        async with self(verb, *words, stdin=pipe) as process:
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(stdin)
            return process.returncode, out, err


@pytest.fixture
def crictl(daemon, transport) -> Crictl:
    return Crictl(daemon, transport)


@pytest.fixture
async def container(cri: Cri) -> str:
    return await cri.run(await cri.run_pod(), ["sleep", "1000"])


async def test_exec_shows_output_and_error(crictl, container):
    code, out, err = await crictl.run("exec", container, "sh", "-c", "echo out; echo err >&2")
    assert (code, out) == (0, b"out\n")
    assert b"err\n" in err


async def test_exec_returns_the_exit_code(crictl, container):
    code, _, err = await crictl.run("exec", container, "sh", "-c", "exit 3")
    assert code == 1
    assert b"command terminated with exit code 3" in err


async def test_exec_i_sends_input_to_its_end(crictl, container):
    words = b"one\ntwo\n" * 20000
    code, out, _ = await crictl.run("exec", "-i", container, "cat", stdin=words)
    assert (code, out) == (0, words)


async def test_exec_of_a_missing_command_is_an_error(crictl, container):
    code, _, err = await crictl.run("exec", container, "nothing-like-this")
    assert code == 1
    assert b"nothing-like-this" in err


async def read_until(fd: int, words: bytes) -> bytes:
    """Read a terminal until these words were shown."""
    loop, seen = asyncio.get_running_loop(), b""
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        async with asyncio.timeout(LIMIT_S):
            while words not in seen:
                readable.clear()
                await readable.wait()
                seen += os.read(fd, 65536)
    finally:
        loop.remove_reader(fd)
    return seen


async def test_exec_i_t_is_a_terminal_session(crictl, container):
    ours, theirs = pty.openpty()
    try:
        ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        async with crictl("exec", "-i", "-t", container, "sh", **ends) as process:
            os.write(ours, b"test -t 0 && echo ter''minal\n")
            await read_until(ours, b"terminal\r\n")
            os.write(ours, b"exit 0\n")
            async with asyncio.timeout(LIMIT_S):
                assert await process.wait() == 0
    finally:
        os.close(ours)
        os.close(theirs)


async def test_attach_shows_output_and_ends_with_the_container(cri, crictl):
    pod = await cri.run_pod()
    speaker = await cri.run(pod, ["sh", "-c", "while read x; do echo got $x; done"], stdin=True)
    async with crictl("attach", "-i", speaker, stdin=-1) as process:
        process.stdin.write(b"hello\n")
        async with asyncio.timeout(LIMIT_S):
            assert await process.stdout.readline() == b"got hello\n"
            await cri.stop(speaker)
            assert await process.wait() == 0


async def test_port_forward_serves_many_connections(cri, crictl):
    pod = await cri.run_pod()
    await cri.run(pod, ["httpd", "-f", "-p", "8080", "-h", "/bin"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with crictl("port-forward", pod, f"{port}:8080") as process:
        async with asyncio.timeout(LIMIT_S):
            while b"Forwarding from" not in await process.stdout.readline():
                pass
        files = await asyncio.gather(*(fetch(port) for _ in range(8)))
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert len(set(files)) == 1
    assert len(files[0]) > 500_000


async def fetch(port: int) -> bytes:
    """The body of /busybox."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /busybox HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(LIMIT_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return body


async def test_a_killed_crictl_ends_its_command(crictl, container):
    async with crictl("exec", container, "sleep", "7771") as process:
        await until(lambda: processes("sleep", "7771"))
        process.kill()
        await until(lambda: not processes("sleep", "7771"))
