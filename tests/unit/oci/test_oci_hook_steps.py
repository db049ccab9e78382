"""Hooks of an OCI runtime become steps: found by their names among the processes below it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.activity import Operation, Step, Subject
from cri_shim.activity import step as steps
from cri_shim.aio import child
from cri_shim.oci import hook_steps
from cri_shim.oci.hook_steps import Hook, HookSteps, of

LIMIT_S = 30.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_steps, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(hook_steps, "LOOK_S", 0.001)


@pytest.fixture
def operation() -> Iterator[Operation]:
    """Yield an operation whose steps are those of the test."""
    made = Operation("StartContainer", Subject("container", "default/web/main"))
    steps.enter(made.root)
    yield made
    steps.enter(None)


def write(bundle: Path, **hooks: Any) -> None:
    (bundle / "config.json").write_text(json.dumps({"hooks": hooks}))


def script(bundle: Path, name: str, *lines: str) -> str:
    path = bundle / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


async def begun(operation: Operation, name: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not any(step.name == name for step in operation.steps):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def ended(operation: Operation, name: str) -> Step:
    """Return the ended step of this name, as soon as there is one."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            for step in operation.done:
                if step.name == name:
                    return step
            await asyncio.sleep(0.001)


async def test_each_hook_is_a_step_within_that_of_the_runtime(
    tmp_path: Path, operation: Operation
) -> None:
    gate = tmp_path / "gate"
    wait = f"while [ ! -e {gate}-$(basename $0) ]; do sleep 0.01; done"
    first = script(tmp_path, "first-hook-with-a-long-name", wait)
    second = script(tmp_path, "second", wait)
    write(tmp_path, createRuntime=[{"path": first, "timeout": 7}, {"path": second}])
    runtime = child.spawn([script(tmp_path, "runtime", first, second)])
    with Step("crun create", program=True) as around:
        with HookSteps("create", "crun create", tmp_path, lambda: runtime.pid):
            for path in (first, second):
                name = Path(path).name
                await begun(operation, f"hook {name}")
                open = operation.innermost()[0]
                assert open.own_text.startswith(
                    f"OCI runtime crun create, createRuntime hook {path}"
                )
                Path(f"{gate}-{name}").touch()
                found = await ended(operation, f"hook {name}")
                assert found.outer is around
                assert around.began <= found.began < found.ended
            await runtime.wait()
    assert [(step.limit, step.failed) for step in operation.done[:2]] == [
        (7.0, False),
        (None, False),
    ]
    assert [step.name for step in operation.done[2:]] == ["crun create"]


async def test_a_hook_that_outlives_the_block_ends_with_it(
    tmp_path: Path, operation: Operation
) -> None:
    slow = script(tmp_path, "slow", "sleep 600 & wait")
    write(tmp_path, poststart=[{"path": slow}])
    runtime = child.spawn([script(tmp_path, "runtime", f"{slow} &", "wait")], session=True)
    try:
        with Step("crun start", program=True):
            with HookSteps("start", "crun start", tmp_path, lambda: runtime.pid):
                await begun(operation, "hook slow")
        assert [step.name for step in operation.done] == ["hook slow", "crun start"]
        assert operation.steps == []
    finally:
        await runtime.end()


async def test_without_hooks_it_looks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(hook_steps, "_running", lambda above, hooks: looks.append(above))
    write(tmp_path, startContainer=[{"path": "/x"}])
    with HookSteps("create", "crun create", tmp_path, lambda: 1) as made:
        await asyncio.sleep(0.05)
        assert (looks, made._timer) == ([], None)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"hooks": 7}',
        '{"hooks": {"poststop": [7]}}',
        '{"hooks": {"poststop": [{"path": "/x", "timeout": "soon"}]}}',
    ],
)
def test_a_foreign_document_has_no_hooks(tmp_path: Path, document: str) -> None:
    (tmp_path / "config.json").write_text(document)
    assert of(tmp_path, "delete") == []
    assert of(tmp_path / "none", "delete") == []


def test_hooks_come_in_the_order_of_their_runs(tmp_path: Path) -> None:
    write(
        tmp_path,
        createContainer=[{"path": "/c"}],
        prestart=[{"path": "/a"}, {"path": "/b", "timeout": 3}],
        poststop=[{"path": "/d"}],
    )
    assert of(tmp_path, "create") == [
        Hook("prestart", "/a", None),
        Hook("prestart", "/b", 3.0),
        Hook("createContainer", "/c", None),
    ]
    assert of(tmp_path, "delete") == [Hook("poststop", "/d", None)]
