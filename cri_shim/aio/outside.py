"""Reads paths that callers name; they may be on a file system that never answers.

A hard-mounted NFS server that is gone keeps a thread in the kernel forever. So such a path is
never read on the event loop, nor in the pool of `offload`, which the daemon's own files use. Each
call has a daemon thread of its own and a time limit. A thread that hangs is abandoned: it ends when
the file system answers, and it prevents neither the daemon nor the interpreter from ending.
"""

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from cri_shim.errors import ResourceExhausted, Unavailable

LIMIT_S = 10.0  # the kubelet gives CreateContainer two minutes; a slow server answers in one second
MOST_AT_ONCE = 256  # threads, 8 MiB of address space each and about 20 KiB of memory

T = TypeVar("T")

_busy: set[threading.Thread] = set()


async def look(
    path: str,
    call: Callable[..., T],
    *args: Any,
    limit: float = LIMIT_S,
    discard: Callable[[T], object] | None = None,
) -> T:
    """Run `call(*args)`, which reads `path`, in a thread; return its result or raise its error.

    Unavailable with `path` after `limit` seconds. After that, and after a cancellation, the call
    may still be running: it must change nothing. `discard` is called with a result that comes too
    late, to close descriptors.
    """
    if len(_busy) >= MOST_AT_ONCE:
        raise ResourceExhausted(f"{path}: {MOST_AT_ONCE} looks at other paths have not ended yet")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    work = functools.partial(contextvars.copy_context().run, call, *args)
    thread = threading.Thread(
        target=_run, args=(loop, answer, work, discard), name=f"look {path}", daemon=True
    )
    _busy.add(thread)
    thread.start()
    try:
        async with asyncio.timeout(limit):
            return await answer
    except asyncio.CancelledError:
        # The answer may have come just before: then only this code can discard it.
        if discard is not None and not answer.cancelled() and answer.exception() is None:
            discard(answer.result())
        raise
    except TimeoutError:
        if not answer.cancelled():
            return answer.result()  # it came just before; or the call itself raised TimeoutError
        raise Unavailable(
            f"{path}: the file system it is on did not answer within {limit:g} s;"
            " look at the server or the process behind that mount"
        ) from None


def _run(
    loop: asyncio.AbstractEventLoop,
    answer: "asyncio.Future[T]",
    work: Callable[[], T],
    discard: Callable[[T], object] | None,
) -> None:
    result: Any = None
    failure: BaseException | None = None
    try:
        result = work()
    except BaseException as e:
        failure = e
    _busy.discard(threading.current_thread())

    def deliver() -> None:
        if answer.done():
            if failure is None and discard is not None:
                discard(result)
        elif failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)

    try:
        loop.call_soon_threadsafe(deliver)
    except RuntimeError:  # the loop is closed: no task awaits the answer
        if failure is None and discard is not None:
            discard(result)
