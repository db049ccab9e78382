"""WebSocket frames: read like wsproto for every cut; illegal frames are refused."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from cri_shim.wire import websocket
from cri_shim.wire.websocket import BadFrame, CloseCode, Control, FrameReader, Opcode, Piece

MASK = b"\x12\x34\x56\x78"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes = MASK) -> bytes:
    """A frame of a client."""
    first, length = fin << 7 | opcode, len(payload)
    if length < 126:
        head = struct.pack(">BB", first, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, length)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def parts(data: bytes, step: int) -> Iterator[Piece | Control]:
    """Return what a reader returns for bytes that arrive `step` at a time."""
    reader = FrameReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while (part := reader.next()) is not None:
            yield part


def encoded(data: bytes | bytearray | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def messages(data: bytes, step: int) -> list[object]:
    """Messages, control frames and the error at the end."""
    found: list[object] = []
    message: list[bytes] = []
    try:
        for part in parts(data, step):
            if isinstance(part, Control):
                code = part.code if part.opcode is Opcode.CLOSE else None
                found.append((part.opcode.name, code if code else part.payload))
                if part.opcode is Opcode.CLOSE:
                    return found
                continue
            text = isinstance(part.data, str)
            message.append(encoded(part.data))
            if part.last:
                found.append(("TEXT" if text else "BINARY", b"".join(message)))
                message = []
    except BadFrame as error:
        found.append(("CLOSE", error.code))
    return found


def by_wsproto(data: bytes) -> list[object]:
    """Return the same from another reader."""
    reader = Connection(ConnectionType.SERVER)
    reader.receive_data(data)
    found: list[object] = []
    message: list[bytes] = []
    for event in reader.events():
        match event:
            case BytesMessage() | TextMessage():
                text = isinstance(event, TextMessage)
                message.append(encoded(event.data))
                if event.message_finished:
                    found.append(("TEXT" if text else "BINARY", b"".join(message)))
                    message = []
            case Ping():
                found.append(("PING", bytes(event.payload)))
            case Pong():
                found.append(("PONG", bytes(event.payload)))
            case CloseConnection():
                found.append(("CLOSE", int(event.code)))
                return found
    return found


payloads = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"x" * 125, b"x" * 126, b"\xe2\x82\xac" * 50]),
    st.sampled_from([1000, 1004, 1005, 1006, 1007, 1013, 1014, 1015, 2999, 3000, 4999, 5000]).map(
        lambda code: struct.pack(">H", code) + b"why"
    ),
)
good = st.builds(
    lambda opcode, payload, fin, mask: frame(opcode, payload, fin=fin or opcode > 2, mask=mask),
    st.sampled_from([0, 0, 1, 2, 2, 2, 8, 9, 10]),
    payloads,
    st.booleans(),
    st.binary(min_size=4, max_size=4),
)
odd = st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=20),
)


@given(st.lists(st.one_of(good, good, good, odd), max_size=8), st.sampled_from([1, 2, 7, 1 << 20]))
def test_another_implementation_reads_the_same(sent: list[bytes], step: int) -> None:
    data = b"".join(sent)
    assert messages(data, step) == by_wsproto(data)


@given(st.lists(st.one_of(good, odd, st.binary(max_size=30)), max_size=8), st.integers(1, 40))
def test_the_cuts_of_frames_make_no_difference(sent: list[bytes], step: int) -> None:
    data = b"".join(sent)
    assert messages(data, step) == messages(data, max(1, len(data)))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\x00", CloseCode.PROTOCOL_ERROR),  # not masked
        (b"\xc2\x80", CloseCode.PROTOCOL_ERROR),  # an extension that was not agreed
        (b"\x83\x80", CloseCode.PROTOCOL_ERROR),  # an unknown opcode
        (b"\x09\x80", CloseCode.PROTOCOL_ERROR),  # a ping in parts
        (b"\x89\xfe", CloseCode.PROTOCOL_ERROR),  # a ping that is too long
        (b"\x82\xfe\x00\x05" + MASK, CloseCode.PROTOCOL_ERROR),  # a length in a longer form
        (b"\x82\xff" + bytes(6) + b"\x00\x05" + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x82\xff\xff" + bytes(7) + MASK, CloseCode.PROTOCOL_ERROR),  # 64 bits
        (frame(0), CloseCode.PROTOCOL_ERROR),  # a continuation without a beginning
        (frame(2, fin=False) + frame(2), CloseCode.PROTOCOL_ERROR),
        (frame(1, b"\xff"), CloseCode.INVALID_DATA),
        (frame(1, b"\xe2\x82"), CloseCode.INVALID_DATA),  # ends within a character
        (frame(8, b"\x03"), CloseCode.PROTOCOL_ERROR),
        (frame(8, b"\x03\xed"), CloseCode.PROTOCOL_ERROR),  # 1005 is never sent
        (frame(8, b"\x03\xe8\xff"), CloseCode.INVALID_DATA),
    ],
)
@pytest.mark.parametrize("step", [1, 100])
def test_an_illegal_frame_of_a_client_is_an_error_with_a_code(
    data: bytes, code: CloseCode, step: int
) -> None:
    with pytest.raises(BadFrame) as refused:
        list(parts(data, step))
    assert refused.value.code == code


def test_a_long_message_is_read_for_every_cut() -> None:
    data = frame(2, b"y" * 70_000) + frame(1, b"end")
    assert messages(data, 777) == [("BINARY", b"y" * 70_000), ("TEXT", b"end")]


def test_a_part_of_a_message_is_returned_and_not_buffered() -> None:
    reader = FrameReader()
    reader.feed(frame(2, b"x" * 1_000_000)[:1000])
    piece = reader.next()
    assert isinstance(piece, Piece)
    assert (len(piece.data), piece.last) == (1000 - 14, False)
    assert reader.next() is None
    assert reader._held == b""


def test_the_buffer_for_a_frame_in_parts_is_bounded() -> None:
    reader = FrameReader()
    for byte in frame(9, b"x" * 125)[:-1]:
        reader.feed(bytes((byte,)))
        assert reader.next() is None
    assert len(reader._held) == 6 + 124


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.sampled_from([0, 125, 126, 65535, 65536]))
def test_a_client_reads_what_is_written(opcode: Opcode, size: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(websocket.head(opcode, size) + b"z" * size)
    said = b"".join(
        encoded(e.data) for e in client.events() if isinstance(e, TextMessage | BytesMessage)
    )
    assert said == b"z" * size


@pytest.mark.parametrize(
    ("code", "reason", "read"),
    [
        (1002, "why", (1002, "why")),
        (CloseCode.NO_STATUS, "", (1005, "")),
        (1000, "\u20ac" * 100, (1000, "\u20ac" * 41)),  # 123 bytes, whole characters
    ],
)
def test_a_client_reads_why_it_was_closed(code: int, reason: str, read: tuple[int, str]) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(websocket.close(code, reason))
    (event,) = client.events()
    assert isinstance(event, CloseConnection)
    assert (int(event.code), event.reason or "") == read
