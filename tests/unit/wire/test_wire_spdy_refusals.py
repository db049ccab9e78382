"""Illegal moves of a peer: they reset a stream or end the connection."""

import struct

import pytest

from cri_shim.wire.spdy import Connection, ProtocolError, Role, StreamOpened, StreamReset
from cri_shim.wire.spdy.frames import Goaway, Kind, Reset, control, data_head
from cri_shim.wire.spdy.headers import Deflater
from cri_shim.wire.spdy.reader import MAX_CONTROL


def sent(connection: Connection) -> bytes:
    return b"".join(connection.outgoing())


def syn(stream: int, flags: int = 0, deflater: Deflater | None = None) -> bytes:
    block = (deflater or Deflater()).block({})
    return control(Kind.SYN_STREAM, struct.pack(">IIBB", stream, 0, 0, 0) + block, flags)


def rst(stream: int, status: Reset) -> bytes:
    return control(Kind.RST_STREAM, struct.pack(">II", stream, status))


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        pytest.param(syn(2), "wrong side", id="an even id"),
        pytest.param(syn(0), "wrong side", id="id 0"),
        pytest.param(bytes.fromhex("80020006 00000004 00000001"), "version 2", id="SPDY/2"),
        pytest.param(struct.pack(">II", 0x80030001, MAX_CONTROL + 1), "at most", id="long control"),
        pytest.param(struct.pack(">II", 0x80030063, 0xFFFFFF), "at most", id="long unknown"),
        pytest.param(control(Kind.SYN_STREAM, bytes(9)), "too short", id="short SYN_STREAM"),
        pytest.param(control(Kind.SYN_STREAM, bytes(10)), "ends early", id="SYN without block"),
        pytest.param(control(Kind.SYN_REPLY, bytes(3)), "too short", id="short SYN_REPLY"),
        pytest.param(control(Kind.HEADERS, bytes(3)), "too short", id="short HEADERS"),
        pytest.param(control(Kind.RST_STREAM, bytes(7)), "8 bytes", id="short RST_STREAM"),
        pytest.param(control(Kind.PING, bytes(5)), "4 bytes", id="long PING"),
        pytest.param(control(Kind.GOAWAY, bytes(4)), "8 bytes", id="short GOAWAY"),
        pytest.param(control(Kind.WINDOW_UPDATE, b""), "8 bytes", id="short WINDOW_UPDATE"),
    ],
)
def test_bytes_that_break_the_protocol_end_the_connection(frame: bytes, problem: str):
    server = Connection()

    (event,) = server.receive(frame)

    assert isinstance(event, ProtocolError)
    assert problem in event.reason


def test_an_id_that_does_not_rise_ends_the_connection():
    server, deflater = Connection(), Deflater()

    events = server.receive(syn(5, deflater=deflater) + syn(3, deflater=deflater))

    assert events[0] == StreamOpened(5)
    assert isinstance(events[1], ProtocolError)


def test_a_failed_connection_says_goaway_and_reads_no_more():
    server = Connection()
    server.receive(syn(7) + control(Kind.PING, b""))

    assert server.failed
    assert sent(server) == control(Kind.GOAWAY, struct.pack(">II", 7, Goaway.PROTOCOL_ERROR))
    assert server.open_streams == []
    assert server.receive(syn(9)) == []
    assert server.outgoing() == []


def test_a_header_block_that_does_not_inflate_ends_the_connection():
    frame = control(Kind.SYN_STREAM, struct.pack(">IIBB", 1, 0, 0, 0) + b"\xff" * 9)

    (event,) = Connection().receive(frame)

    assert isinstance(event, ProtocolError)
    assert "does not inflate" in event.reason


def test_data_on_a_stream_that_never_existed_is_reset_once_and_dropped():
    server = Connection()

    events = [server.receive(data_head(9, 10, 0))]
    events += [server.receive(b"x") for _ in range(10)]
    events += [server.receive(data_head(9, 0, 1))]

    assert [event for told in events for event in told] == []
    assert sent(server) == rst(9, Reset.INVALID_STREAM)


def test_data_on_an_ended_stream_is_dropped_silently():
    """The peer may have sent it before our reset came to it."""
    server = Connection()
    server.receive(syn(1))
    server.reset(1)
    server.outgoing()

    assert server.receive(data_head(1, 3, 1) + b"abc") == []
    assert server.outgoing() == []


def test_the_rest_of_a_frame_is_dropped_when_its_stream_is_reset_meanwhile():
    server, deflater = Connection(), Deflater()
    server.receive(syn(1, deflater=deflater) + data_head(1, 10, 1) + b"12345")
    server.reset(1)

    assert server.receive(b"67890" + syn(3, deflater=deflater)) == [StreamOpened(3)]


def test_data_after_the_end_resets_the_stream():
    server = Connection()
    server.receive(syn(1) + data_head(1, 0, 1))

    assert server.receive(data_head(1, 1, 0) + b"x") == [
        StreamReset(1, Reset.STREAM_ALREADY_CLOSED)
    ]
    assert sent(server) == rst(1, Reset.STREAM_ALREADY_CLOSED)


def test_a_reply_to_the_peers_own_stream_resets_it():
    server, deflater = Connection(), Deflater()
    server.receive(syn(1, deflater=deflater))
    reply = control(Kind.SYN_REPLY, struct.pack(">I", 1) + deflater.block({}))

    assert server.receive(reply) == [StreamReset(1, Reset.PROTOCOL_ERROR)]


def test_data_before_the_reply_resets_the_stream():
    client = Connection(Role.CLIENT)
    stream = client.open({})
    client.outgoing()

    assert client.receive(data_head(stream, 1, 0) + b"x") == [
        StreamReset(stream, Reset.PROTOCOL_ERROR)
    ]


def test_streams_above_the_bound_are_refused():
    server, deflater = Connection(max_streams=2), Deflater()

    events = server.receive(b"".join(syn(stream, deflater=deflater) for stream in (1, 3, 5)))

    assert events == [StreamOpened(1), StreamOpened(3)]
    assert sent(server) == rst(5, Reset.REFUSED_STREAM)


def test_a_stream_that_cannot_be_answered_is_refused():
    server = Connection()

    assert server.receive(syn(1, flags=2)) == []
    assert sent(server) == rst(1, Reset.REFUSED_STREAM)


def test_settings_window_updates_and_unknown_frames_change_nothing():
    server = Connection()
    settings = control(Kind.SETTINGS, struct.pack(">III", 1, 7, 0))
    window = control(Kind.WINDOW_UPDATE, struct.pack(">II", 1, 10))
    unknown = bytes.fromhex("800300ff 00000001 00")

    assert server.receive(settings + window + unknown + syn(1)) == [StreamOpened(1)]
    assert server.outgoing() == []
