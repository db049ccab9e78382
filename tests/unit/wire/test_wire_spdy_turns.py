"""Frames are handled a few at a time: the rest waits, and frames without data are counted."""

import struct

from cri_shim.wire.spdy import Connection, DataReceived, ProtocolError, Role, StreamOpened
from cri_shim.wire.spdy.frames import control, data_head


def opened() -> tuple[Connection, bytes]:
    """A server that was given a stream, and the frame that opens another."""
    client, server = Connection(Role.CLIENT), Connection()
    client.open({})
    server.receive(b"".join(client.outgoing()))
    client.open({})
    return server, b"".join(client.outgoing())


def test_only_the_given_number_of_frames_is_handled_at_once() -> None:
    server, another = opened()
    server.feed((data_head(1, 1, 0) + b"x") * 3 + another)
    assert [type(event) for event in server.take(2)] == [DataReceived] * 2
    assert [type(event) for event in server.take(2)] == [DataReceived, StreamOpened]
    assert server.take(2) == []


def test_frames_without_an_event_count_too() -> None:
    server, another = opened()
    before = server.frames
    server.feed(control(6, struct.pack(">I", 1)) * 5 + another)
    assert server.take(5) == []
    assert server.frames == before + 5
    assert len(server.take(5)) == 1
    assert server.frames == before + 6


def test_only_frames_with_data_are_not_idle() -> None:
    server, another = opened()
    before = server.idle_frames
    server.receive(data_head(1, 3, 0) + b"abc" + data_head(99, 1, 0) + b"x")
    assert server.idle_frames == before
    server.receive(data_head(1, 0, 0) + control(4, bytes(4)) + control(77, b"") + another)
    assert server.idle_frames == before + 4


def test_a_frame_in_parts_is_one_frame_and_each_piece_of_data_is_one() -> None:
    server, another = opened()
    before = server.frames
    for byte in another:
        server.receive(bytes((byte,)))
    assert server.frames == before + 1
    server.receive(data_head(1, 4, 0) + b"ab")
    server.receive(b"cd")
    assert server.frames == before + 3


def test_frames_after_an_error_are_not_handled() -> None:
    server, another = opened()
    server.feed(b"\x80\x09" + bytes(6) + another)
    assert [type(event) for event in server.take(1)] == [ProtocolError]
    assert server.take(1) == []
    server.feed(another)
    assert server.take(1) == []
