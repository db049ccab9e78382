"""ttrpc: dialogues of both ends for every cut, refusals, and garbage."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.pb import ttrpc_pb2 as pb
from cri_shim.wire.ttrpc import MAX_DATA, Answer, BadFrame, Call, Client, Server, frames
from cri_shim.wire.ttrpc.client import TooLarge
from cri_shim.wire.ttrpc.frames import FrameReader, Kind


def request(payload: bytes = b"") -> bytes:
    return pb.Request(service="s", method="m", payload=payload).SerializeToString()


def sent(stream: int, kind: int = Kind.REQUEST, data: bytes | None = None, flags: int = 0) -> bytes:
    return frames.frame(stream, kind, request() if data is None else data, flags)


def answers(server: Server) -> list[Answer]:
    """Return the answers that a server has queued, as a client with many calls reads them."""
    client = Client()
    for _ in range(50):
        client.call("s", "m", b"")
    return client.receive(out(server))


def out(end: Client | Server) -> bytes:
    """Return the bytes that an end sends now."""
    return b"".join(end.outgoing())


def in_steps(end: Client | Server, data: bytes, step: int) -> list[object]:
    return [
        event
        for start in range(0, len(data), step)
        for event in end.receive(data[start : start + step])
    ]


@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(1, 64))
def test_a_dialogue_arrives_for_every_cut(payloads: list[bytes], step: int) -> None:
    client, server = Client(), Server(max_calls=10)
    streams = [client.call("nri", "Do", payload, timeout_ns=7) for payload in payloads]

    calls = in_steps(server, out(client), step)
    for stream, payload in zip(streams, payloads, strict=True):
        server.answer(stream, payload[::-1])
    found = in_steps(client, out(server), step)

    pairs = list(zip(streams, payloads, strict=True))
    assert calls == [Call(stream, "nri", "Do", payload, 7) for stream, payload in pairs]
    assert found == [Answer(stream, 0, "", payload[::-1]) for stream, payload in pairs]
    assert streams == [1, 3, 5, 7, 9][: len(payloads)]


def test_an_error_arrives_with_its_code_and_message() -> None:
    client, server = Client(), Server(max_calls=1)
    stream = client.call("s", "m", b"")
    server.receive(out(client))

    server.refuse(stream, 5, "no such thing")

    assert client.receive(out(server)) == [Answer(stream, 5, "no such thing", b"")]


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        (sent(2), 3, "the stream of a client must have an odd number"),
        (sent(1, Kind.DATA), 3, "data, but no stream of data is open"),
        (sent(1, flags=frames.REMOTE_OPEN), 12, "streams of data are not served"),
        (sent(1, data=b"\xff\xff"), 3, "the data is not a Request"),
    ],
)
def test_a_wrong_call_is_refused_and_the_next_one_is_served(
    frame: bytes, code: int, message: str
) -> None:
    server = Server(max_calls=1)

    assert server.receive(frame) == []
    (refused,) = FrameReader().receive(out(server))
    status = pb.Response.FromString(refused.data).status
    assert (status.code, status.message) == (code, message)
    assert [call.stream for call in server.receive(sent(3))] == [3]


def test_the_number_of_a_stream_must_grow() -> None:
    server = Server(max_calls=9)

    assert [call.stream for call in server.receive(sent(5) + sent(5) + sent(3) + sent(7))] == [5, 7]
    assert [(a.stream, a.code) for a in answers(server)] == [(5, 3), (3, 3)]


def test_calls_beyond_the_limit_are_refused_until_one_is_answered() -> None:
    server = Server(max_calls=2)
    calls = server.receive(sent(1) + sent(3) + sent(5))
    server.answer(1, b"")

    assert [call.stream for call in calls] == [1, 3]
    assert [call.stream for call in server.receive(sent(7))] == [7]
    assert [(a.stream, a.code) for a in answers(server)] == [(5, 8), (1, 0)]


def test_unknown_kinds_are_ignored_by_both_ends() -> None:
    client, server = Client(), Server(max_calls=1)
    client.call("s", "m", b"")

    assert server.receive(sent(1, kind=9)) == []
    assert client.receive(sent(1, kind=9)) == []
    assert out(server) == b""


def test_data_that_is_too_large_is_skipped_and_refused() -> None:
    server = Server(max_calls=1)
    head = frames.HEAD.pack(MAX_DATA + 1, 1, Kind.REQUEST, 0)

    assert server.receive(head + bytes(MAX_DATA)) == []
    assert [call.stream for call in server.receive(b"\0" + sent(3))] == [3]
    (refused,) = answers(server)
    assert (refused.code, refused.message) == (
        8,
        "4194305 bytes of data, at most 4194304 are allowed",
    )


def test_an_answer_that_is_too_large_becomes_an_error() -> None:
    client, server = Client(), Server(max_calls=1)
    client.call("s", "m", b"")
    server.receive(out(client))

    server.answer(1, bytes(MAX_DATA))

    (answer,) = client.receive(out(server))
    assert (answer.code, answer.payload) == (8, b"")


def test_an_oversized_answer_fails_its_call_alone() -> None:
    client = Client()
    client.call("s", "m", b"")
    client.call("s", "m", b"")

    head = frames.HEAD.pack(MAX_DATA + 1, 1, Kind.RESPONSE, 0)
    first = client.receive(head + bytes(MAX_DATA + 1))
    second = client.receive(sent(3, Kind.RESPONSE, b""))

    assert [(a.stream, a.code) for a in first + second] == [(1, 8), (3, 0)]


def test_a_call_that_is_too_large_is_not_sent() -> None:
    client = Client()

    with pytest.raises(TooLarge, match="at most 4194304 fit into a frame") as raised:
        client.call("s", "m", bytes(MAX_DATA))
    assert raised.value.size > MAX_DATA
    assert out(client) == b""
    assert client.call("s", "m", b"") == 1


def test_a_late_answer_is_dropped() -> None:
    client = Client()
    client.forget(client.call("s", "m", b""))

    assert client.receive(sent(1, Kind.RESPONSE, b"")) == []


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (sent(3, Kind.RESPONSE, b""), "an answer on stream 3, on which no call was made"),
        (sent(2, Kind.RESPONSE, b""), "an answer on stream 2, on which no call was made"),
        (sent(1, Kind.DATA, b""), "data on stream 1 of a unary call"),
        (sent(1, Kind.RESPONSE, b"\xff"), "an answer on stream 1 that is not a Response"),
        (b"\1" + bytes(9), "a frame of 16777216 bytes: the first byte of a head must be zero"),
    ],
)
def test_garbage_ends_the_connection_of_a_client(frame: bytes, message: str) -> None:
    client = Client()
    client.call("s", "m", b"")

    with pytest.raises(BadFrame, match=message):
        client.receive(frame)


def test_a_frame_that_cannot_be_is_not_made() -> None:
    with pytest.raises(ValueError, match="4194305 bytes in a ttrpc frame"):
        frames.frame(1, Kind.REQUEST, bytes(MAX_DATA + 1))


some_frames = st.one_of(
    st.builds(
        sent, st.integers(0, 9), st.integers(0, 4), st.binary(max_size=20), st.integers(0, 7)
    ),
    st.builds(lambda stream: sent(stream), st.integers(0, 9)),
    st.binary(max_size=12),
)


@given(st.lists(some_frames, max_size=20), st.integers(1, 40))
def test_no_bytes_raise_anything_but_bad_frame(parts: list[bytes], step: int) -> None:
    client, server = Client(), Server(max_calls=3)
    client.call("s", "m", b"")
    data = b"".join(parts)

    with contextlib.suppress(BadFrame):
        in_steps(client, data, step)
    calls: list[object] = []
    with contextlib.suppress(BadFrame):
        calls = in_steps(server, data, step)
    assert len(calls) <= 3
