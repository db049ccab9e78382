"""Any input to a session of any kind: no exception, and the session leaves nothing behind."""

import asyncio
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cri_shim.wire.spdy.frames import control, data_head
from tests.fixtures.sessions import KINDS, World, handle, opened

streams = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 11, 13])
payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b'{"Width":80,"Height":24}', b"\x00in", b"\xff\x00", b"0aGVsbG8=", b"4e30="]),
)
spdy = st.one_of(
    st.just(opened()),
    st.builds(
        lambda stream, data, flags: data_head(stream, len(data), flags) + data,
        streams,
        payloads,
        st.integers(0, 1),
    ),
    st.builds(
        lambda kind, one, two: control(kind, struct.pack(">II", one, two)),
        st.sampled_from([3, 7, 9]),
        streams,
        streams,
    ),
    st.builds(lambda kind, payload: control(kind, payload), st.integers(1, 10), payloads),
)


def message(payload: bytes, opcode: int, fin: bool, masked: bool) -> bytes:
    """A WebSocket frame of a client, whose mask changes nothing."""
    head = bytes([fin << 7 | opcode, masked << 7 | min(len(payload), 126)])
    longer = struct.pack(">H", len(payload)) if len(payload) > 125 else b""
    return head + longer + bytes(4 * masked) + payload


websocket = st.builds(
    message,
    st.one_of(payloads, spdy),
    st.sampled_from([0, 1, 1, 2, 2, 2, 8, 9, 10, 11]),
    st.booleans(),
    st.sampled_from([True] * 9 + [False]),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=st.lists(st.one_of(spdy, websocket, websocket, st.binary(max_size=20)), max_size=12))
def test_no_bytes_of_a_client_raise_and_nothing_is_left(kind: str, sent: list[bytes]) -> None:
    async def attempt() -> list[asyncio.Task[None]]:
        world = World()
        session = KINDS[kind](world)
        for piece in sent:
            handle(session, piece)
            await asyncio.sleep(0)
        session.pause()
        session.resume()
        session.gone()
        await asyncio.sleep(0)
        await asyncio.gather(*world.tasks, return_exceptions=True)
        return world.tasks

    for task in asyncio.run(attempt()):
        assert task.cancelled() or task.exception() is None
