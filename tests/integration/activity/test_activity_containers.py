"""What containers wait for: hooks, a grace period, commands; and their lines in the log."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.integration.activity.conftest import lines, waiting


class SleepingHook:
    """A hook of every container that waits until it may go on."""

    def __init__(self, hooks_d: Path) -> None:
        self.path, self._gate = hooks_d / "sleepy", hooks_d / "gate"
        self._definition = hooks_d / "sleepy.json"

    def define(self, stage: str) -> None:
        self._gate.touch()
        self.path.write_text(
            f"#!/bin/sh\ndocument=$(cat)\nwhile [ -e {self._gate} ]; do sleep 0.05; done\n"
            'printf %s "$document"\n'
        )
        self.path.chmod(0o755)
        hook = {"version": "1.0.0", "hook": {"path": str(self.path)}, "when": {"always": True}}
        self._definition.write_text(json.dumps({**hook, "stages": [stage]}))

    def release(self) -> None:
        self._gate.unlink(missing_ok=True)
        self._definition.unlink(missing_ok=True)


@pytest.fixture
def hook(where: Path) -> Iterator[SleepingHook]:
    made = SleepingHook(where / "hooks.d")
    yield made
    made.release()


async def test_a_precreate_hook_that_sleeps_is_named(cri: Cri, hook: SleepingHook) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "hooked"))
    hook.define("precreate")
    creating = asyncio.create_task(cri.create(pod, container_config(["true"])))
    operation = await waiting(cri, "container test/hooked/main", str(hook.path))
    hook.release()
    await creating
    assert operation["verb"] == "CreateContainer"
    assert "precreate hook" in operation["waits"][0]["for"]


async def test_a_hook_that_the_oci_runtime_runs_is_named(
    cri: Cri, hook: SleepingHook, handler: str
) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, f"oci-{handler}"), handler)
    hook.define("createRuntime")
    container = await cri.create(pod, container_config(["true"]))
    starting = asyncio.create_task(cri.start(container))
    waits_for = f"OCI runtime {handler} create, createRuntime hook {hook.path}"
    operation = await waiting(cri, f"container test/oci-{handler}/main", waits_for)
    hook.release()
    await starting
    assert operation["verb"] == "StartContainer"


async def test_a_grace_period_and_the_end_of_a_container_name_it(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "graceful"))
    container = await cri.run(pod, ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    request = api.StopContainerRequest(container_id=container, timeout=600)
    stopping = asyncio.ensure_future(_stop(cri, request))
    operation = await waiting(cri, "container test/graceful/main", "the grace period of the stop")
    request.timeout = 0
    await _stop(cri, request)
    await stopping
    assert 500 < operation["waits"][0]["limit"] <= 600
    name = f"container test/graceful/main ({container[:12]})"
    assert lines(cri, f"{name} ended: exit code 137, Error")
    assert lines(cri, f"StopContainer {name} ")


async def _stop(cri: Cri, request: api.StopContainerRequest) -> None:
    await cri.runtime.StopContainer(request)


async def test_good_probes_are_silent_and_bad_ones_are_counted(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "probed"))
    container = await cri.run(pod, ["sleep", "600"])
    for command in (["true"], ["false"], ["false"], ["false"]):
        await cri.runtime.ExecSync(api.ExecSyncRequest(container_id=container, cmd=command))
    with pytest.raises(ToolFailed):
        await cri.runtime.ExecSync(api.ExecSyncRequest(container_id=container, cmd=["nosuch"]))
    told = lines(cri, "test/probed/main", "exec")
    assert [line.partition("exec failed: ")[2][:11] for line in told] == [
        "exit code 1",
        "cannot exec",
    ]


async def test_debug_has_a_line_for_each_step_and_program(cri: Cri) -> None:
    before = await cri.control.SetLogLevel(control.SetLogLevelRequest(level="debug"))
    try:
        pod = await cri.run_pod(pod_config(cri.daemon, "told"))
        container = await cri.run(pod, ["true"])
        await cri.exited(container)
    finally:
        after = await cri.control.SetLogLevel(control.SetLogLevelRequest(level="info"))
    assert (before.before, before.level, after.before) == ("info", "debug", "debug")
    steps = lines(cri, "DEBUG", "test/told")
    text = "\n".join(steps)
    for pattern in (
        r"pod test/told: CNI flaky ADD \d+ ms",
        r"pod test/told: ran \S+/flaky: exit 0, \d+ ms",
        r"pod test/told: namespaces \d+ ms",
        r"container test/told/main: root file system \d+ ms",
        r"container test/told/main: image lookup \d+ ms",
        r"container test/told/main: crun create \d+ ms",
        r"container test/told/main: ran \S*conmon .*: exit 0, \d+ ms",
        r"container test/told/main: crun start \d+ ms",
    ):
        assert re.search(pattern, text), text
    assert lines(cri, "DEBUG", "cygrpc") == []


async def test_an_unknown_log_level_is_refused(cri: Cri) -> None:
    with pytest.raises(Exception, match="'loud' is not one of debug, info, warning, error"):
        await cri.control.SetLogLevel(control.SetLogLevelRequest(level="loud"))


async def test_the_level_can_be_asked_for(cri: Cri) -> None:
    answer = await cri.control.SetLogLevel(control.SetLogLevelRequest())
    assert answer.level == "info"
