"""SIGHUP: reloads run one at a time, and their errors do not end the daemon."""

import asyncio
import logging

import pytest

from cri_shim.cli.reloads import Reloads
from cri_shim.errors import ConfigError


async def test_signals_during_a_reload_ask_for_one_more() -> None:
    began: list[int] = []
    gate = asyncio.Event()

    async def reload() -> None:
        began.append(1)
        await gate.wait()

    reloads = Reloads(reload)
    for _ in range(4):
        reloads.ask()
        await asyncio.sleep(0)
    assert len(began) == 1
    gate.set()
    await asyncio.sleep(0.01)
    assert len(began) == 2
    await reloads.close()


async def test_an_error_is_logged_and_the_next_signal_reloads(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("cri_shim.cli.notify.send", sent.append)
    results: list[Exception | None] = [ConfigError("/etc/x.toml:3: unknown key"), None]

    async def reload() -> None:
        if (error := results.pop(0)) is not None:
            raise error

    reloads = Reloads(reload)
    with caplog.at_level(logging.ERROR):
        reloads.ask()
        await asyncio.sleep(0.01)
        reloads.ask()
        await asyncio.sleep(0.01)
    assert [r.getMessage() for r in caplog.records] == [
        "nothing was reloaded: /etc/x.toml:3: unknown key"
    ]
    assert sent == ["RELOADING=1", "READY=1"] * 2
    await reloads.close()


async def test_the_end_of_the_daemon_ends_a_reload() -> None:
    reloads = Reloads(asyncio.Event().wait)
    reloads.ask()
    await asyncio.sleep(0)
    await reloads.close()
