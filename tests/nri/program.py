"""NRI plugins on the published Go module, as Python tests use them; and the published plugins."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent
LIMIT_S = 120.0
_GO = ["nice", "-n", "19", "go", "build", "-buildvcs=false", "-o"]


def build(directory: Path) -> Path:
    """Compile our plugin into `directory`; Go's own caches make a second time quick."""
    return _built(SOURCE, directory / "plugin")


def published(name: str, directory: Path) -> Path:
    """Compile a published plugin, unchanged, from the checkout that $NRI_SOURCE names."""
    checkout = os.environ.get("NRI_SOURCE", "")
    if not checkout:
        pytest.skip("needs NRI_SOURCE: a checkout of github.com/containerd/nri")
    return _built(Path(checkout) / "plugins" / name, directory / name)


def _built(source: Path, binary: Path) -> Path:
    if shutil.which("go") is None:
        pytest.skip("needs go: the plugins are Go programs")
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    subprocess.run([*_GO, binary, "."], cwd=source, env=environment, check=True)
    return binary


class GoPlugin:
    """A running plugin: the events that it has printed, and requests to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    def names(self) -> list[str]:
        return [str(event["event"]) for event in self.events]

    async def next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = await self._process.stdout.readline()
        assert line, "the plugin has ended"
        event: dict[str, Any] = json.loads(line)
        self.events.append(event)
        return event

    async def until(self, event: str) -> dict[str, Any]:
        """Return the next event of a name."""
        while (found := await self.next())["event"] != event:
            pass
        return found

    async def update(self, *updates: Mapping[str, Any]) -> dict[str, Any]:
        """Let it ask for updates of containers; return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"update": updates}).encode() + b"\n")
        return await self.until("UpdateContainers")


@contextlib.asynccontextmanager
async def running(
    program: Path, socket: Path, *, index: str = "10", answers: Path | None = None
) -> AsyncIterator[GoPlugin]:
    """Run our plugin until the block is left; yield it when it is synchronized."""
    arguments = ["-socket", str(socket), "-idx", index, "-name", "go"]
    if answers is not None:
        arguments += ["-answers", str(answers)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=pipe, stdout=pipe, limit=64 << 20
    )
    try:
        plugin = GoPlugin(process)
        await plugin.until("Synchronize")
        yield plugin
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
