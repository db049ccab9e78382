"""Work of an operation as a task, and those who wait for it."""

import asyncio

from cri_shim.activity import Operation, Operations, Step, Subject, caller
from cri_shim.activity.joining import task_of, waiting_for

POD, CONTAINER = Subject("pod", "default/web", "p1"), Subject("container", "default/web/main", "c1")


async def test_the_steps_of_a_task_are_those_of_its_operation_which_ends_with_it() -> None:
    operations, gate = Operations(), asyncio.Event()
    operation = operations.begin("RunPodSandbox", POD)

    async def work() -> None:
        with Step("network"):
            await gate.wait()

    task = task_of(operations, operation, work(), "work")
    await asyncio.sleep(0)
    assert operation.waits_for == "network"
    gate.set()
    await task
    await asyncio.sleep(0)
    assert not operation.open
    assert list(operations) == []
    operations.close()


async def test_an_operation_that_waits_for_another_shows_it_as_a_step() -> None:
    operations = Operations()
    inner = operations.begin("RemoveContainer", CONTAINER)
    with operations.doing("RemovePodSandbox", POD) as outer, waiting_for(inner):
        assert outer.waits_for == "RemoveContainer of container default/web/main (c1)"
    operations.end(inner)
    operations.close()


async def test_a_call_knows_the_operation_that_it_waits_for() -> None:
    operations, call = Operations(), caller.Caller()
    operation = operations.begin("RunPodSandbox", POD)

    async def wait() -> None:
        caller.enter(call)
        with waiting_for(operation):
            pass

    await asyncio.create_task(wait())
    assert call.operation is operation
    operations.end(operation)
    operations.close()


async def test_a_task_of_an_operation_serves_no_call() -> None:
    operations = Operations()
    seen = []

    async def work() -> None:
        seen.append(caller.current())

    async def serve() -> None:
        caller.enter(caller.Caller())
        await task_of(operations, operations.begin("RunPodSandbox", POD), work(), "work")

    await asyncio.create_task(serve())
    assert seen == [None]
    operations.close()


async def test_an_operation_has_the_error_that_ended_it() -> None:
    operations, seen = Operations(), list[Operation]()
    operations.follow(seen.append)

    async def work(error: BaseException | None) -> None:
        if error is not None:
            raise error

    errors = (None, ValueError("no\naddress"), ValueError(), asyncio.CancelledError())
    tasks = [
        task_of(operations, operations.begin("RunPodSandbox", POD), work(error), "work")
        for error in errors
    ]
    await asyncio.wait(tasks)
    await asyncio.sleep(0)
    failures = [operation.failure for operation in seen]
    assert failures == ["", "no | address", "ValueError", "it was cancelled"]
    operations.close()
