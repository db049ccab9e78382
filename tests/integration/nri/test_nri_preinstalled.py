"""Plugins that the daemon starts: they are there before the first pod, and end with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.integration.nri.conftest import settings
from tests.nri.program import build

WRAPPER = """#!/bin/sh
exec {program} -answers {answers} >> {output} 2>&1
"""


@pytest.fixture(scope="module")
def output(place: Path) -> Path:
    return place / "output"


@pytest.fixture(scope="module")
def daemon(place: Path, output: Path) -> Iterator[Daemon]:
    answers = place / "answers.json"
    answers.write_text(json.dumps({"CreateContainer": {"adjust": {"annotations": {"by": "us"}}}}))
    (place / "plugins").mkdir()
    (place / "conf").mkdir()
    (place / "conf" / "ours.conf").write_text("some: configuration")
    program = build(place)
    scripts = {
        "10-ours": WRAPPER.format(program=program, answers=answers, output=output),
        "20-fails": "#!/bin/sh\nexit 3\n",
        "30-hangs": "#!/bin/sh\nexec sleep 600\n",
        "40-not-executable": "#!/bin/nothing\n",
        "bad": "#!/bin/sh\n",
    }
    for name, text in scripts.items():
        (place / "plugins" / name).write_text(text)
        (place / "plugins" / name).chmod(0o755)
    own = settings(place, **{"nri.disable_connections": True, "nri.registration_timeout": 20.0})
    with private_daemon(0, **own) as started:
        yield started


def events(output: Path) -> list[dict[str, Any]]:
    lines = output.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def test_info_shows_the_connected_plugins(cri: Cri) -> None:
    info = json.loads((await cri.control.Info(control.InfoRequest())).json)

    assert [(found["name"], found["startedByDaemon"]) for found in info["nriPlugins"]] == [
        ("10-ours", True)
    ]


async def test_a_plugin_is_started_configured_and_adjusts(
    cri: Cri, daemon: Daemon, output: Path, place: Path
) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])

    assert not (place / "nri.sock").exists()
    [configured] = [event for event in events(output) if event["event"] == "Configure"]
    assert (configured["config"], configured["runtime"]) == ("some: configuration", "cri-shim")
    annotations = (await cri.info(container))["runtimeSpec"]["annotations"]
    assert annotations["by"] == "us"


def test_plugins_that_cannot_be_used_are_told_and_hold_up_nothing(daemon: Daemon) -> None:
    log = daemon.log.read_text()

    for sentence in (
        "NRI plugin 20-fails is not connected: NRI plugin 20-fails ended before it registered",
        "NRI plugin 30-hangs is not connected: NRI plugin 30-hangs did not register within 20 s",
        "NRI plugin 40-not-executable is not connected: cannot run ",
        "NRI plugin bad is not started: ",
    ):
        assert sentence in log


def test_a_plugin_ends_with_the_daemon_and_is_started_with_the_next_one(
    daemon: Daemon, output: Path
) -> None:
    daemon.stop()
    ended = [event["event"] for event in events(output)]
    assert ended[-1] == "Shutdown"
    daemon.start()
    assert [event["event"] for event in events(output)][len(ended) :] == [
        "Configure",
        "Synchronize",
    ]
    daemon.stop()
