"""A daemon with a hooks.d directory of its own, and programs that leave notes."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon


@dataclass
class HooksDir:
    """Definitions and programs of one daemon; `notes` is where the programs write."""

    directory: Path
    programs: Path
    notes: Path

    def program(self, name: str, script: str) -> Path:
        """A shell script; $NOTES is the directory for its notes."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\nNOTES={self.notes}\n{script}\n")
        path.chmod(0o755)
        return path

    def define(self, name: str, stage: str, script: str, **fields: Any) -> None:
        """A hook for every container, unless `when` has other conditions."""
        hook = {"path": str(self.program(name, script)), **fields.pop("hook", {})}
        definition = {
            "version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": [stage],
        }  # fmt: skip
        (self.directory / f"{name}.json").write_text(json.dumps(definition | fields))

    def note(self, name: str) -> str:
        return (self.notes / name).read_text()

    def clear(self) -> None:
        for directory in (self.directory, self.programs, self.notes):
            for entry in directory.iterdir():
                entry.unlink()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with private_daemon(hooks_dir=str(tmp_path_factory.mktemp("hooks") / "d")) as started:
        yield started


@pytest.fixture
def hooks_d(daemon: Daemon) -> Iterator[HooksDir]:
    directory = Path(str(daemon.settings["hooks_dir"]))
    found = HooksDir(directory, directory.parent / "bin", directory.parent / "notes")
    for made in (found.directory, found.programs, found.notes):
        made.mkdir(exist_ok=True)
    yield found
    found.clear()


@pytest.fixture
async def cri(daemon: Daemon, hooks_d: HooksDir) -> AsyncIterator[Cri]:
    """Pods are removed while the hooks are still there."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []
