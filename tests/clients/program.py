"""The Go clients as Python tests use them: built once, run with a URL, their answer as a value."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent
LIMIT_S = 60.0  # for one run of a client


@dataclass(frozen=True)
class Seen:
    """The output that a client read from one stream; `head` is its beginning."""

    bytes: int
    sha256: str
    head: str


@dataclass(frozen=True)
class Ended:
    """How an exec or attach ended for the client. `exit_code` -1: it got none."""

    exit_code: int
    error: str
    stdout: Seen
    stderr: Seen
    seconds: float


@dataclass
class Forwarding:
    """Local ports by the remote port they lead to. How it ended is filled in at the end."""

    ports: dict[int, int]
    process: asyncio.subprocess.Process
    error: str = ""
    log: str = ""

    async def lost(self) -> None:
        """Return when the client has ended by itself."""
        async with asyncio.timeout(LIMIT_S):
            await self.process.wait()


@dataclass
class Running:
    """A client that runs: write to it, read what it got (`live`), wait for its end."""

    process: asyncio.subprocess.Process
    _output: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def read_until(self, text: bytes) -> bytes:
        """Return the remote stdout when `text` is in it."""
        assert self.process.stderr is not None
        async with asyncio.timeout(LIMIT_S):
            return await self.process.stderr.readuntil(text)

    async def ended(self) -> Ended:
        async with asyncio.timeout(LIMIT_S):
            stdout, stderr = await self.process.communicate()
        return _ended(stdout, stderr)


class GoClients:
    def __init__(self, binary: Path) -> None:
        self._binary = binary

    async def run(
        self, command: str, url: str, *options: str, transport: str = "spdy", stdin: bytes = b""
    ) -> Ended:
        """exec or attach until the end. Without the option -stdin, `stdin` is not sent."""
        async with self._process(command, url, transport, options) as process:
            async with asyncio.timeout(LIMIT_S):
                stdout, stderr = await process.communicate(stdin)
            return _ended(stdout, stderr)

    @contextlib.asynccontextmanager
    async def start(
        self, command: str, url: str, *options: str, transport: str = "spdy"
    ) -> AsyncIterator[Running]:
        """exec or attach in dialogue; a client that still runs at the end is killed."""
        options = ("-live", *options)
        async with self._process(command, url, transport, options) as process:
            yield Running(process)

    @contextlib.asynccontextmanager
    async def forward(
        self, url: str, *ports: int, transport: str = "spdy", options: tuple[str, ...] = ()
    ) -> AsyncIterator[Forwarding]:
        """Forward local ports to the remote ones given, until the block is left."""
        listed = ",".join(f"0:{port}" for port in ports)
        options = ("-ports", listed, *options)
        async with self._process("portforward", url, transport, options) as process:
            assert process.stdout is not None
            async with asyncio.timeout(LIMIT_S):
                first = json.loads(await process.stdout.readline())
            answered = first.get("ports", [])
            ports_there = {port["remote"]: port["local"] for port in answered}
            forwarding = Forwarding(ports_there, process)
            yield forwarding
            async with asyncio.timeout(LIMIT_S):
                rest, _ = await process.communicate(b"")  # the end of its stdin ends it
            last = json.loads(rest) if rest else first
            forwarding.error, forwarding.log = last["error"], last["log"]

    @contextlib.asynccontextmanager
    async def _process(
        self, command: str, url: str, transport: str, options: tuple[str, ...]
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        pipe = asyncio.subprocess.PIPE
        arguments = [command, "-url", url, "-transport", transport, *options]
        process = await asyncio.create_subprocess_exec(
            self._binary, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, limit=1 << 22
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


def _ended(stdout: bytes, stderr: bytes) -> Ended:
    assert stdout, stderr.decode(errors="replace")
    answer: dict[str, Any] = json.loads(stdout)
    return Ended(
        answer["exit_code"],
        answer["error"],
        Seen(**answer["stdout"]),
        Seen(**answer["stderr"]),
        answer["seconds"],
    )


def build(directory: Path) -> Path:
    """Compile the program into `directory`; Go's own caches make a second time quick."""
    if shutil.which("go") is None:
        pytest.skip("needs go: the clients of kubectl are Go programs")
    binary = directory / "clients"
    subprocess.run(
        ["go", "build", "-buildvcs=false", "-o", binary, "."],
        cwd=SOURCE,
        env=os.environ | {"CGO_ENABLED": "0"},
        check=True,
    )
    return binary
