"""Waits for a state of a container.

Every change is checked when it happens, so that a short state is not missed.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, get_args

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, WrongState
from cri_shim.objects import Record
from cri_shim.pb import state_pb2 as state

Condition = Literal["running", "paused", "exited", "removed"]


async def wait(engine: Engine, container_id: str) -> int:
    """Return its exit code when it has ended: 0..255, or 128 + signal. It may not have started yet.

    NotFound if it was removed without having run.
    """
    return (await until(engine, container_id, "exited")).exit_code


async def until(engine: Engine, container_id: str, condition: Condition) -> state.ContainerRecord:
    """Wait for `condition`; return the record that first met it.

    "removed" returns the last record; an unknown id is NotFound. WrongState or NotFound if the
    container can no longer meet the condition; RuntimeStopped if the runtime stops before.
    """
    if condition not in get_args(Condition):
        known = ", ".join(get_args(Condition))
        raise InvalidArgument("condition", f"{condition!r} is none of {known}")
    container = engine.objects.container(container_id)
    subject = engine.objects.container_subject(container.id)
    answer: asyncio.Future[state.ContainerRecord] = asyncio.get_running_loop().create_future()

    def look(before: Record | None, after: Record | None) -> None:
        record = after or before
        if not isinstance(record, state.ContainerRecord) or record.id != container.id:
            return
        if answer.done():
            return
        if after is None and condition != "removed":
            answer.set_exception(NotFound(f"{subject} was removed: it is never {condition}"))
        elif after is None:
            answer.set_result(record)
        elif condition != "removed":
            _there(answer, record, condition)

    look(None, container)
    engine.objects.follow(look)
    try:
        await engine.objects.until(container.id, answer.done)
        return answer.result()
    finally:
        engine.objects.unfollow(look)


def _there(
    answer: "asyncio.Future[state.ContainerRecord]", now: state.ContainerRecord, condition: str
) -> None:
    if _REACHED[condition](now):
        answer.set_result(now)
    elif condition != "exited" and lifecycle.is_over(now):
        answer.set_exception(WrongState(f"container {now.id} has ended: it is never {condition}"))


_REACHED: dict[str, Callable[[state.ContainerRecord], bool]] = {
    "running": lambda c: lifecycle.is_running(c) and not lifecycle.is_paused(c),
    "paused": lifecycle.is_paused,
    # If it is removed while it runs, its end is seen only if the removal lets us see it.
    "exited": lambda c: c.finished_at != 0,
}
