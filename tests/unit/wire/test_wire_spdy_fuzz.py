"""Any input: no exception, bounded memory, and what two correct ends send arrives."""

import struct
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.wire.spdy import (
    Connection,
    DataReceived,
    Event,
    ProtocolError,
    Role,
    StreamOpened,
    StreamReset,
)
from cri_shim.wire.spdy.frames import control, data_head
from cri_shim.wire.spdy.headers import Deflater
from cri_shim.wire.spdy.reader import MAX_CONTROL

ids = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 0x7FFFFFFF])
blocks = st.one_of(st.just(Deflater().block({"a": "b"})), st.binary(max_size=40))
flags = st.integers(0, 3)

frames = st.one_of(
    st.builds(
        lambda stream, block, flags: control(
            1, struct.pack(">IIBB", stream, 0, 0, 0) + block, flags
        ),
        ids,
        blocks,
        flags,
    ),
    st.builds(
        lambda kind, stream, block, flags: control(kind, struct.pack(">I", stream) + block, flags),
        st.sampled_from([2, 8]),
        ids,
        blocks,
        flags,
    ),
    st.builds(
        lambda kind, a, b: control(kind, struct.pack(">II", a, b)),
        st.sampled_from([3, 7, 9]),
        ids,
        ids,
    ),
    st.builds(lambda number: control(6, struct.pack(">I", number)), ids),
    st.builds(lambda kind, payload: control(kind, payload), st.integers(0, 99), st.binary()),
    st.builds(
        lambda stream, data, flags: data_head(stream, len(data), flags) + data,
        ids,
        st.binary(max_size=50),
        flags,
    ),
    st.binary(min_size=1, max_size=20),
)


@given(
    st.sampled_from(Role),
    st.lists(st.one_of(frames, frames, frames, st.binary(max_size=30)), max_size=30),
    st.integers(1, 50),
)
def test_no_bytes_raise_and_an_error_is_the_last_event(role: Role, sent: list[bytes], step: int):
    connection = Connection(role, max_streams=3)
    connection.open({})
    connection.open({})
    data = b"".join(sent)

    events = [
        event
        for start in range(0, len(data), step)
        for event in connection.receive(data[start : start + step])
    ]

    errors = [event for event in events if isinstance(event, ProtocolError)]
    assert errors == events[-1:] * connection.failed
    assert len(connection.open_streams) <= 3
    # Every answer is to a frame, and none is longer than the 16 bytes of RST_STREAM and GOAWAY.
    answered = b"".join(connection.outgoing())
    assert len(answered) <= 2 * len(data) + 200


@given(st.sampled_from(Role), st.lists(frames, max_size=20), st.integers(1, 40))
def test_the_cuts_of_any_frames_make_no_difference(role: Role, sent: list[bytes], step: int):
    data = b"".join(sent)

    whole, cut = Connection(role, max_streams=3), Connection(role, max_streams=3)
    events = whole.receive(data)
    whole_events = [
        e for start in range(0, len(data), step) for e in cut.receive(data[start : start + step])
    ]

    assert joined(whole_events) == joined(events)
    assert b"".join(cut.outgoing()) == b"".join(whole.outgoing())


def joined(events: list[Event]) -> list[object]:
    """Return the events with the data of a stream joined, because its pieces depend on the cuts."""
    texts: dict[int, bytes] = defaultdict(bytes)
    rest: list[object] = []
    for event in events:
        if isinstance(event, DataReceived):
            texts[event.stream] += bytes(event.data)
            if event.fin:
                rest.append((event.stream, "fin"))
        else:
            rest.append(event)
    return [dict(texts), *rest]


class End:
    """One correct end of a random conversation, and its received events."""

    def __init__(self, role: Role) -> None:
        self.spdy = Connection(role)
        self.known: list[int] = []  # streams in the order of their first event
        self.sent: dict[int, bytes] = defaultdict(bytes)
        self.received: dict[int, bytes] = defaultdict(bytes)
        self.reset: set[int] = set()

    def act(self, verb: str, choice: int, data: bytes) -> None:
        if verb == "open":
            self.known.append(self.spdy.open({"streamtype": "data"}))
        elif verb == "ping":
            self.spdy.ping()
        elif self.known:
            stream = self.known[choice % len(self.known)]
            if verb == "reset":
                self.spdy.reset(stream)
                self.reset.add(stream)
            elif self.spdy.writable(stream):
                self.spdy.send(stream, data, fin=verb == "end")
                self.sent[stream] += data

    def hear(self, data: bytes) -> None:
        for event in self.spdy.receive(data):
            assert not isinstance(event, ProtocolError), event
            match event:
                case StreamOpened():
                    self.known.append(event.stream)
                    self.spdy.accept(event.stream)
                case DataReceived():
                    self.received[event.stream] += bytes(event.data)
                case StreamReset():
                    self.reset.add(event.stream)


acts = st.tuples(
    st.booleans(),
    st.sampled_from(["open", "send", "send", "end", "reset", "ping", "deliver", "deliver"]),
    st.integers(0, 9),
    st.binary(max_size=200),
)


@given(st.lists(acts, max_size=60), st.integers(1, 64))
def test_two_correct_ends_agree_on_every_event(
    conversation: list[tuple[bool, str, int, bytes]], step: int
):
    ends = (End(Role.CLIENT), End(Role.SERVER))

    for first, verb, choice, data in [*conversation, *LAST_WORDS]:
        one, other = ends if first else ends[::-1]
        if verb == "deliver":
            wire = b"".join(one.spdy.outgoing())
            for start in range(0, len(wire), step):
                other.hear(wire[start : start + step])
        else:
            one.act(verb, choice, data)

    for one, other in (ends, ends[::-1]):
        for stream, text in one.sent.items():
            whole = stream not in one.reset | other.reset
            assert (
                other.received[stream] == text if whole else text.startswith(other.received[stream])
            )


# Until no end has bytes to send.
LAST_WORDS = [(first, "deliver", 0, b"") for first in (True, False)] * 3


@given(st.binary(max_size=64), st.integers(0, 2**24 - 1), st.sampled_from([1, 63, 64, 65_000]))
def test_the_buffer_for_a_frame_in_parts_is_bounded(payload: bytes, length: int, kind: int):
    connection = Connection()
    connection.receive(struct.pack(">II", 0x80030000 | kind, length))
    for _ in range(50):
        connection.receive(payload * 64)

    assert len(connection._reader._held) <= MAX_CONTROL


words = st.text(st.characters(max_codepoint=0xFF), max_size=20)
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)


@given(st.lists(st.dictionaries(names, words, max_size=5), max_size=10))
def test_headers_arrive_as_they_were_given(given_headers: list[dict[str, str]]):
    client, server = Connection(Role.CLIENT), Connection()
    for headers in given_headers:
        client.open(headers)

    events = server.receive(b"".join(client.outgoing()))

    assert [event.headers for event in events if isinstance(event, StreamOpened)] == given_headers


@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=300), st.booleans()), max_size=40),
    st.integers(1, 700),
)
def test_data_of_several_streams_arrives_whole_and_in_order(
    sends: list[tuple[int, bytes, bool]], step: int
):
    client, server = Connection(Role.CLIENT), Connection()
    streams = [client.open({}) for _ in range(4)]
    sent: dict[int, bytes] = defaultdict(bytes)
    ended = set()
    for index, data, fin in sends:
        stream = streams[index]
        if client.writable(stream):
            client.send(stream, data, fin=fin)
            sent[stream] += data
            ended |= {stream} if fin else set()
    wire = b"".join(client.outgoing())

    received: dict[int, bytes] = defaultdict(bytes)
    finished = set()
    for start in range(0, len(wire), step):
        for event in server.receive(wire[start : start + step]):
            if isinstance(event, DataReceived):
                received[event.stream] += bytes(event.data)
                finished |= {event.stream} if event.fin else set()

    assert {k: v for k, v in received.items() if v} == {k: v for k, v in sent.items() if v}
    assert finished == ended
