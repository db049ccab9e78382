"""Runs calls that the kernel may never answer, in a process of their own.

A path on a network file system whose server is gone, or on a file system whose program has stopped,
can hold a thread in the kernel forever; on some of them even SIGKILL does not end it. A thread of
the daemon would then prevent the daemon from ending, and so the next one from starting. A process
does not: it is killed and abandoned. It ends when the file system answers, and does nothing more.

A small process forks them, see process_server.py. It is started with the first call (25 ms, 4 MiB);
after that a call takes 2 ms. So first try the calls that need no answer (RESOLVE_CACHED), and call
this module for the rest. A path that still holds such a process is refused.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cri_shim.aio import child, memfile
from cri_shim.aio.pipes import Budget, Collector
from cri_shim.errors import ResourceExhausted, ToolFailed, Unavailable

LIMIT_S = 10.0  # for all items together; the kubelet gives CreateContainer two minutes
MOST_AT_ONCE = 256  # processes of half a MiB, including the abandoned ones
_ANSWER_LIMIT = 4 << 20  # bytes
_TRIES = 3  # a rename or a mount elsewhere makes the kernel refuse a cached lookup for a moment
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from cri_shim.aio import process_server; process_server.main()"
)
_TOP = str(Path(__file__).resolve().parents[2])

Item = Sequence[Any]  # the arguments of one call, as JSON values; the first one is its path
Outcome = Any  # the result of the call, as a JSON value, or its OSError

_running: set[Collector] = set()  # one for each process, until that ends
_left: dict[Collector, str] = {}  # the path of each abandoned process
_server: "_Server | None" = None
_users = 0


async def ask(
    call: Callable[..., object], items: Sequence[Item], *, limit: float = LIMIT_S
) -> list[Outcome]:
    """Return the outcome of each item: directly if `call` need not wait, else from `each`."""
    return await rest(call, items, cached(call, items), limit=limit)


def cached(call: Callable[..., object], items: Sequence[Item]) -> list[Outcome]:
    """Return the outcomes with `cached=True`: a BlockingIOError for calls that would wait."""
    return [_cached(call, item) for item in items]


def _cached(call: Callable[..., object], item: Item) -> Outcome:
    outcome: Outcome = None
    for _ in range(_TRIES):
        try:
            return call(*item, cached=True)
        except OSError as e:
            outcome = e
        if not isinstance(outcome, BlockingIOError):
            break
    return outcome


async def rest(
    call: Callable[..., object],
    items: Sequence[Item],
    outcomes: Sequence[Outcome],
    *,
    limit: float = LIMIT_S,
) -> list[Outcome]:
    """Return the outcomes of `cached`, with those of `each` in place of every BlockingIOError."""
    blocking = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BlockingIOError)]
    found = list(outcomes)
    if blocking:
        late = await each(call, [items[number] for number in blocking], limit=limit)
        for number, outcome in zip(blocking, late, strict=True):
            found[number] = outcome
    return found


async def each(
    call: Callable[..., object], items: Sequence[Item], *, limit: float = LIMIT_S
) -> list[Outcome]:
    """Call a function of a module of cri_shim with each item, in one process; return all outcomes.

    The module must import little. Unavailable after `limit` seconds, with the path of the current
    item, and at once for a path that still holds the process of an earlier call. A system call that
    has begun may end later; the process does nothing after it, and nothing after a cancellation.
    """
    use()
    try:
        return await _each(call, items, limit)
    finally:
        await close()


async def _each(call: Callable[..., object], items: Sequence[Item], limit: float) -> list[Outcome]:
    paths = [str(item[0]) for item in items]
    _refuse(paths)
    server = _started()
    answers = Collector(Budget(_ANSWER_LIMIT))
    _running.add(answers)
    try:
        number = server.begin(call, items, answers.write_end)
    except BaseException:
        answers.abandon()
        raise
    answers.started()
    ended = answers.ended()
    try:
        await asyncio.wait({ended}, timeout=limit)
    finally:
        at = paths[min(answers.kept().count(b"\n"), len(paths) - 1)]
        if not ended.done():
            server.kill(number)
            _left[answers] = at
    if not ended.done():
        raise Unavailable(
            f"{at}: the file system it is on did not answer within {limit:g} s;"
            " look at the server or the process behind that mount"
        )
    outcomes = _outcomes(answers.kept())
    if len(outcomes) < len(items):
        raise ToolFailed(f"{at}: the process that looked at it was killed")
    return outcomes


def use() -> None:
    """Keep the process that forks alive between calls, until an equal number of `close`s."""
    global _users
    _users += 1


async def close() -> None:
    """End the process that forks, and the abandoned ones as far as they can be ended."""
    global _users
    _users -= 1
    if not _users:
        await _end()


async def _end() -> None:
    global _server
    if _server is not None:
        server, _server = _server, None
        await server.close()
    for answers in _running:
        answers.abandon()
    _running.clear()
    _left.clear()


def _refuse(paths: Sequence[str]) -> None:
    for answers in [answers for answers in _running if answers.ended().done()]:
        _running.discard(answers)
        _left.pop(answers, None)
    if held := set(paths) & set(_left.values()):
        raise Unavailable(
            f"{min(held)}: the file system it is on has not answered an earlier call yet;"
            " look at the server or the process behind that mount"
        )
    if len(_running) >= MOST_AT_ONCE:
        raise ResourceExhausted(
            f"{paths[0]}: not looked at, for {MOST_AT_ONCE} looks at other paths have not ended;"
            f" of those that do not answer: {', '.join(sorted(_left.values())[:5]) or 'none'}"
        )


def _outcomes(data: bytes) -> list[Outcome]:
    """Parse the lines: each is a result, an OSError, or the text of another exception."""
    found: list[Outcome] = []
    for line in data.splitlines():
        kind, *values = json.loads(line)
        if kind == "failed":
            raise ToolFailed(f"a look at a path failed: {values[0]}")
        found.append(values[0] if kind == "result" else OSError(*values))
    return found


def _started() -> "_Server":
    global _server
    if _server is None or not _server.usable():
        if _server is not None:
            _server.leave()
        _server = _Server()
    return _server


class _Server:
    """The process that forks the others, and the daemon's end of the socket to it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, _TOP]
        try:
            self._ours.setblocking(False)
            self._process = child.spawn(program, stdin=theirs.fileno(), stderr=None, cwd="/")
        except BaseException:
            self._ours.close()
            raise
        finally:
            theirs.close()
        self._number = 0

    def usable(self) -> bool:
        return self._process.running and self._loop is asyncio.get_running_loop()

    def begin(self, call: Callable[..., object], items: Sequence[Item], answers: int) -> int:
        """Start a process that calls the function and writes to `answers`; return its number."""
        self._number += 1
        request = [self._number, call.__module__, call.__qualname__]
        with memfile.memfile(json.dumps(items).encode()) as stdin_fd:
            try:
                socket.send_fds(self._ours, [json.dumps(request).encode()], [stdin_fd, answers])
            except OSError as e:
                raise ToolFailed(f"cannot look at {items[0][0]}: {e.strerror}") from e
        return self._number

    def kill(self, number: int) -> None:
        with contextlib.suppress(OSError):  # it is full, or has ended: its processes are killed
            self._ours.send(json.dumps([number]).encode())

    def leave(self) -> None:
        """Close the socket: this ends the process that forks, and its processes."""
        self._ours.close()

    async def close(self) -> None:
        """Close the socket and wait for the end; this is quick, as it never reads a file system."""
        self.leave()
        await self._process.end()
