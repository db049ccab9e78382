"""An event is built once, and only if a plugin gets it."""

import logging
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri import events
from cri_shim.pb import nri_pb2 as pb


class _Plugin:
    def __init__(self, *methods: str) -> None:
        self.methods = methods
        self.got: list[str] = []

    def gets(self, method: str) -> bool:
        return method in self.methods

    async def event(self, method: str, request: Any, answer: Any) -> None:
        self.got.append(method)


async def test_an_event_that_no_plugin_gets_is_not_built() -> None:
    async def make() -> pb.Empty:
        raise AssertionError

    await events.tell([_Plugin("StopPodSandbox")], "RunPodSandbox", make)  # type: ignore[list-item]


async def test_an_event_is_built_once_for_all_plugins() -> None:
    built = []

    async def make() -> pb.Empty:
        built.append(1)
        return pb.Empty()

    plugins = [_Plugin("RunPodSandbox"), _Plugin(), _Plugin("RunPodSandbox")]
    await events.tell(plugins, "RunPodSandbox", make)  # type: ignore[arg-type]

    assert built == [1]
    assert [plugin.got for plugin in plugins] == [["RunPodSandbox"], [], ["RunPodSandbox"]]


async def test_the_failure_of_a_report_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def fails() -> None:
        raise ToolFailed("NRI plugin 10-a refuses StopContainer: no")

    await events.logged(fails())

    assert "NRI plugin 10-a refuses StopContainer: no" in caplog.text
