"""serve: from the configuration to a runtime, and the effect of signals."""

import asyncio
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from cri_shim.cli import main
from cri_shim.errors import StateError


class Runtime:
    """Replaces the real runtime: serves until stopped, and records its calls."""

    events: list[str]
    failure: Exception | None = None
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    @classmethod
    def from_config(cls, path: Path | None, *options: tuple[str, str]) -> Self:
        cls.events = [f"made {dict(options)}"]
        return cls()

    async def __aenter__(self) -> Self:
        self.events.append("opened")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.events.append("closed")

    def stop(self) -> None:
        self.stopping.set()

    async def reload(self) -> None:
        self.events.append("reloaded")

    async def serve(self, ready: Callable[[], None]) -> None:
        if self.failure is not None:
            raise self.failure
        ready()
        for number in self.signals:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
        await self.stopping.wait()
        self.events.append("served")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> type[Runtime]:
    module = types.ModuleType("cri_shim.runtime")
    fake = type("Fake", (Runtime,), {})
    module.Runtime = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cri_shim.runtime", module)
    monkeypatch.setattr("cri_shim.log.setting.setup", lambda level, form: None)
    return fake


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_in_order(runtime: type[Runtime], number: signal.Signals) -> None:
    runtime.signals = (number,)
    assert main(["--root", "/r", "serve"]) == 0
    assert runtime.events == ["made {'server.root': '/r'}", "opened", "served", "closed"]


def test_sighup_reloads_and_does_not_stop_the_daemon(runtime: type[Runtime]) -> None:
    runtime.signals = (signal.SIGHUP, signal.SIGTERM)
    assert main(["serve"]) == 0
    assert runtime.events[-3:] == ["reloaded", "served", "closed"]


def test_an_error_of_the_runtime_is_one_sentence(
    runtime: type[Runtime], capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.failure = StateError("the state is locked by process 7")
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "cri-shim: the state is locked by process 7\n"
    assert runtime.events[-1] == "closed"


def test_systemd_is_notified_of_ready_and_stopping(
    runtime: type[Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("cri_shim.cli.notify.send", sent.append)
    assert main(["serve"]) == 0
    assert sent == ["READY=1", "STOPPING=1"]
