"""The id of a request goes with the work that its call has begun."""

import asyncio

from cri_shim.activity import Operations, Subject
from cri_shim.activity.joining import task_of
from cri_shim.activity.request import request_id

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")


async def _id() -> str:
    await asyncio.sleep(0)
    return request_id.get()


async def test_the_work_of_a_call_has_its_id_and_later_work_another_one() -> None:
    operations = Operations()
    request_id.set("call-1")
    operation = operations.begin("RunPodSandbox", POD)
    task = task_of(operations, operation, _id(), "run")
    request_id.set("call-2")

    assert (operation.request_id, await task, request_id.get()) == ("call-1", "call-1", "call-2")
    operations.close()
