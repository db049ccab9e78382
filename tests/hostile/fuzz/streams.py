"""Input of the streaming server: requests, and the frames of sessions."""

import asyncio
import functools
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11

from cri_shim.streaming.head import Head, refusal
from cri_shim.streaming.link import Session
from cri_shim.streaming.upgrade import Purpose, Refusal, agree
from cri_shim.wire.spdy.frames import control, data_head
from tests.fixtures.sessions import KINDS, World, handle, opened
from tests.hostile.fuzz.target import Run, Target, pure

_CUT = 37  # bytes that come at once, so that frames come in parts
_PURPOSES: tuple[Purpose, ...] = ("exec", "attach", "portforward")
_REQUESTS = (
    b"POST /exec/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n",
    b"GET /attach/x?a=b HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: v5.channel.k8s.io, SPDY/3.1+portforward.k8s.io\r\n\r\nmore",
    b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)


def _request(data: bytes) -> list[bytes]:
    """A request that comes in parts is refused or agreed on, for each purpose."""
    answers = []
    for purpose in _PURPOSES:
        head = Head()
        for start in range(0, len(data), 1 + len(data) // 3):
            found = head.receive(data[start : start + 1 + len(data) // 3])
            if found is not None:
                break
        else:
            continue
        agreed = agree(found, purpose) if isinstance(found, h11.Request) else found
        answer = agreed if isinstance(agreed, Refusal) else head.switch(agreed)
        whole = refusal(answer) if isinstance(answer, Refusal) else answer
        assert whole.startswith(b"HTTP/1.1 ") and len(whole) < 4096, whole[:200]
        answers.append(whole[:100])
    return answers


def _message(payload: bytes, opcode: int = 2) -> bytes:
    """A WebSocket message of a client."""
    long = len(payload) > 125
    length = struct.pack(">BH", 0xFE, len(payload)) if long else bytes([0x80 | len(payload)])
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


def _spdy() -> list[bytes]:
    frames = [
        data_head(3, 5, 0) + b"hello",
        data_head(3, 0, 1),
        data_head(9, 24, 0) + b'{"Width":80,"Height":24}',
        control(3, struct.pack(">II", 3, 5)),
        control(6, struct.pack(">I", 1)),
        control(7, struct.pack(">II", 0, 0)),
        control(4, struct.pack(">I", 0)),
        control(9, struct.pack(">II", 3, 1)),
    ]
    return [opened(), opened() + b"".join(frames), b"".join(frames)]


def _websocket() -> list[bytes]:
    inside = [_message(each) for each in _spdy()]
    channels = [_message(b"\0hello"), _message(b'\4{"Width":80,"Height":24}'), _message(b"\xff\0")]
    text = [_message(b"0aGVsbG8=", 1), _message(b"4e30=", 1)]
    control_frames = [_message(b"?", 9), _message(b"!", 10), _message(b"\x03\xe8bye", 8)]
    pieces = b"\x02\x81" + bytes(5) + b"\x00\x80" + bytes(4) + b"\x80\x80" + bytes(4)
    return [*inside, b"".join(channels + control_frames), b"".join(text), pieces]


@contextmanager
def _session(kind: Callable[[World], Session]) -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield lambda data: runner.run(_talk(kind, data))


async def _talk(kind: Callable[[World], Session], data: bytes) -> tuple[object, ...]:
    world = World()
    session = kind(world)
    for start in range(0, len(data), _CUT):
        handle(session, data[start : start + _CUT])
        await asyncio.sleep(0)
        if world.closed:
            break
    session.gone()
    for result in await asyncio.gather(*world.tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    return world.closed, len(world.tasks), min(8, world.sent.bit_length())


TARGETS = (
    Target("request", lambda: _REQUESTS, pure(_request)),
    *(
        Target(
            f"session {name}",
            _spdy if "SPDY" in name or name == "port-forward" else _websocket,
            functools.partial(_session, kind),
        )
        for name, kind in KINDS.items()
    ),
)
