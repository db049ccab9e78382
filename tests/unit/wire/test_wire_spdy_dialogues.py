"""Dialogues between the two ends of a connection, whole and cut at every byte."""

from collections.abc import Callable, Iterable

import pytest

from cri_shim.errors import WrongState
from cri_shim.wire.spdy import (
    Connection,
    DataReceived,
    Event,
    Goaway,
    GoneAway,
    HeadersReceived,
    Ponged,
    Reset,
    Role,
    StreamOpened,
    StreamReplied,
    StreamReset,
)


def sent(connection: Connection) -> bytes:
    return b"".join(connection.outgoing())


def joined(events: Iterable[Event]) -> list[object]:
    """Return the events with the pieces of data joined, so that cuts make no difference."""
    told: list[object] = []
    for event in events:
        if not isinstance(event, DataReceived):
            told.append(event)
        elif told and isinstance(told[-1], tuple) and told[-1][0] == event.stream:
            told[-1] = (event.stream, told[-1][1] + bytes(event.data), event.fin)
        else:
            told.append((event.stream, bytes(event.data), event.fin))
    return told


def test_a_stream_is_opened_accepted_used_and_ended():
    client, server = Connection(Role.CLIENT), Connection()

    stream = client.open({"streamtype": "stdin"})
    assert server.receive(sent(client)) == [StreamOpened(stream, {"streamtype": "stdin"})]
    server.accept(stream)
    assert client.receive(sent(server)) == [StreamReplied(stream)]

    client.send(stream, b"ask", fin=True)
    assert joined(server.receive(sent(client))) == [(stream, b"ask", True)]
    server.send(stream, b"ans")
    server.send(stream, b"wer", fin=True)
    assert joined(client.receive(sent(server))) == [(stream, b"answer", True)]
    assert (client.open_streams, server.open_streams) == ([], [])


def test_client_ids_are_odd_and_rise_and_server_ids_are_even():
    assert [Connection(Role.CLIENT).open({}), Connection().open({})] == [1, 2]
    client = Connection(Role.CLIENT)
    assert [client.open({}) for _ in range(3)] == [1, 3, 5]


def test_after_half_close_the_other_direction_continues():
    client, server, stream = connected()

    client.send(stream, b"", fin=True)
    assert joined(server.receive(sent(client))) == [(stream, b"", True)]
    server.send(stream, b"still here")
    assert joined(client.receive(sent(server))) == [(stream, b"still here", False)]
    assert not client.writable(stream)
    assert server.writable(stream)


def test_a_reset_ends_both_directions_of_one_stream_only():
    client, server, stream = connected()
    other = client.open({})
    server.receive(sent(client))

    server.reset(stream, Reset.CANCEL)
    assert client.receive(sent(server)) == [StreamReset(stream, Reset.CANCEL)]
    assert client.open_streams == server.open_streams == [other]


def test_a_reset_of_an_ended_stream_sends_nothing():
    _, server, stream = connected()
    server.reset(stream)
    server.outgoing()

    server.reset(stream)
    server.reset(77)

    assert server.outgoing() == []


def test_pings_are_answered_by_either_side():
    client, server = Connection(Role.CLIENT), Connection()

    numbers = [client.ping(), client.ping(), server.ping()]
    server.receive(sent(client))
    assert client.receive(sent(server)) == [Ponged(1), Ponged(3)]
    assert server.receive(sent(client)) == [Ponged(2)]
    assert numbers == [1, 3, 2]


def test_an_unexpected_pong_is_ignored():
    server = Connection()

    assert server.receive(bytes.fromhex("80030006 00000004 00000008")) == []
    assert server.outgoing() == []


def test_later_headers_are_an_event():
    client, server, stream = connected()

    client.send_headers(stream, {"a": "b"})
    client.send_headers(stream, {"c": "d"}, fin=True)

    assert server.receive(sent(client)) == [
        HeadersReceived(stream, {"a": "b"}),
        HeadersReceived(stream, {"c": "d"}, fin=True),
    ]
    assert not client.writable(stream)


def test_a_stream_may_be_opened_with_fin():
    client, server = Connection(Role.CLIENT), Connection()

    stream = client.open({}, fin=True)
    assert server.receive(sent(client)) == [StreamOpened(stream, {}, fin=True)]
    server.accept(stream)
    server.send(stream, b"bye", fin=True)
    assert joined(client.receive(sent(server))) == [StreamReplied(stream), (stream, b"bye", True)]
    assert (client.open_streams, server.open_streams) == ([], [])


def test_after_goaway_new_streams_are_ignored_and_old_ones_continue():
    client, server, stream = connected()

    server.goaway()
    server.goaway(Goaway.INTERNAL_ERROR)
    assert client.receive(sent(server)) == [GoneAway(stream, Goaway.OK)]
    late = client.open({"x": "y"})
    client.send(stream, b"old")
    client.send(late, b"new")
    assert joined(server.receive(sent(client))) == [(stream, b"old", False)]
    assert server.outgoing() == []


def test_headers_of_ignored_streams_keep_the_compression_in_step():
    client, server = Connection(Role.CLIENT), Connection(max_streams=1)
    client.open({"first": "1"})
    client.open({"second": "2"})
    server.receive(sent(client))
    server.reset(1)

    third = client.open({"third": "3"})

    assert server.receive(sent(client)) == [StreamOpened(third, {"third": "3"})]


def test_data_passes_uncopied():
    _, server, stream = connected()
    payload = memoryview(bytes(100_000))

    server.send(stream, payload)

    head, body = server.outgoing()
    assert body is payload
    assert bytes(head) == bytes.fromhex("00000001 000186a0")


def test_data_longer_than_a_frame_is_sent_in_several():
    client, server, stream = connected()
    payload = bytes(2**24) + b"end"

    server.send(stream, payload, fin=True)

    pieces = server.outgoing()
    assert [len(piece) for piece in pieces] == [8, 2**24 - 1, 8, 4]
    assert joined(client.receive(b"".join(pieces))) == [(stream, payload, True)]


def test_a_data_frame_of_16_mib_is_passed_on_as_it_comes():
    _, server, _ = connected()
    server.receive(bytes.fromhex("00000001 01ffffff"))

    pieces = [server.receive(bytes(0x10000)) for _ in range(255)]
    last = server.receive(bytes(0xFFFF))

    assert all(len(events) == 1 for events in pieces)
    assert [(len(event.data), event.fin) for event in last] == [(0xFFFF, True)]  # type: ignore[union-attr]


def test_a_stream_that_was_opened_and_reset_at_once_is_not_accepted():
    client, server = Connection(Role.CLIENT), Connection()
    stream = client.open({})
    client.reset(stream)

    assert server.receive(sent(client)) == [StreamOpened(stream), StreamReset(stream, Reset.CANCEL)]
    assert not server.accept(stream)
    assert server.outgoing() == []


@pytest.mark.parametrize(
    "forbidden",
    [
        pytest.param(lambda server: server.send(1, b"x"), id="send before accept"),
        pytest.param(lambda server: server.send(9, b"x"), id="send on none"),
        pytest.param(lambda server: server.accept(9), id="accept none"),
        pytest.param(lambda server: (server.accept(1), server.accept(1)), id="accept twice"),
        pytest.param(
            lambda server: (server.accept(1), server.send(1, b"", fin=True), server.send(1, b"x")),
            id="send after the end",
        ),
        pytest.param(lambda server: (server.reset(1), server.send_headers(1, {})), id="reset"),
    ],
)
def test_an_illegal_move_of_ours_raises_wrong_state(forbidden: Callable[[Connection], object]):
    client, server = Connection(Role.CLIENT), Connection()
    client.open({})
    server.receive(sent(client))

    with pytest.raises(WrongState, match="stream"):
        forbidden(server)


def connected() -> tuple[Connection, Connection, int]:
    """A client and a server with one stream that is open."""
    client, server = Connection(Role.CLIENT), Connection()
    stream = client.open({})
    server.receive(sent(client))
    server.accept(stream)
    client.receive(sent(server))
    return client, server, stream


def exec_dialogue() -> bytes:
    client = Connection(Role.CLIENT)
    client.open({"streamtype": "error"})
    client.ping()
    stdin = client.open({"streamtype": "stdin"})
    client.open({"streamtype": "stdout"}, fin=True)
    client.send(stdin, b"some input")
    client.send_headers(stdin, {"x": "y"})
    client.send(stdin, b"and its end", fin=True)
    client.reset(1)
    client.goaway()
    return sent(client)


def violations() -> bytes:
    client = Connection(Role.CLIENT)
    stream = client.open({"streamtype": "stdin"})
    client.send(stream, b"the end", fin=True)
    late = bytes.fromhex("00000001 00000003 616263")  # data behind it
    never = bytes.fromhex("00000063 00000003 616263")  # on a stream that was never opened
    settings = bytes.fromhex("80030004 0000000c 00000001 00000007 00010000")
    window = bytes.fromhex("80030009 00000008 00000001 00010000")
    unknown = bytes.fromhex("80030063 00000003 010203")
    even = bytes.fromhex("80030001 00000012 00000002 00000000 0000")
    begin = sent(client) + late + never + settings + window + unknown
    other = Connection(Role.CLIENT)
    other.open({})
    return begin + even + sent(other)[18:]


def forward_dialogue() -> bytes:
    client = Connection(Role.CLIENT)
    for request in ("0", "1"):
        client.open({"streamtype": "error", "port": "80", "requestid": request}, fin=True)
        data = client.open({"streamtype": "data", "port": "80", "requestid": request})
        client.send(data, b"GET /", fin=True)
        client.ping()
    client.reset(data)
    return sent(client)


def servers_side() -> bytes:
    """Return what a server sends to a client that has opened the streams 1, 3, 5 and 7."""
    server, client = Connection(), four_open()
    server.receive(sent(client))
    for stream in (1, 3, 5):
        server.accept(stream, {"x": "y"})
    server.send(3, b"some output")
    server.send(5, b"", fin=True)
    server.ping()
    server.reset(7)
    server.send(3, b"and its end", fin=True)
    server.send_headers(1, {"a": "b"})
    server.send(1, b"the status", fin=True)
    server.goaway()
    return sent(server)


def four_open() -> Connection:
    client = Connection(Role.CLIENT)
    for kind in ("error", "stdin", "stdout", "stderr"):
        client.open({"streamtype": kind})
    return client


# The receiving end, and the bytes it receives.
DIALOGUES = {
    "exec": (Connection, exec_dialogue()),
    "port-forward": (Connection, forward_dialogue()),
    "server": (four_open, servers_side()),
    "violations": (Connection, violations()),
}
every_dialogue = pytest.mark.parametrize(
    ("made", "dialogue"), DIALOGUES.values(), ids=DIALOGUES.keys()
)


@every_dialogue
def test_the_position_of_a_cut_makes_no_difference(made: Callable[[], Connection], dialogue: bytes):
    whole = made()
    events, answer = joined(whole.receive(dialogue)), sent(whole)

    for cut in range(1, len(dialogue)):
        halved = made()
        told = halved.receive(dialogue[:cut]) + halved.receive(dialogue[cut:])
        assert (joined(told), sent(halved)) == (events, answer)


@every_dialogue
def test_single_bytes_make_no_difference(made: Callable[[], Connection], dialogue: bytes):
    whole, slow = made(), made()
    events, answer = joined(whole.receive(dialogue)), sent(whole)

    told = [event for byte in dialogue for event in slow.receive(bytes([byte]))]

    assert (joined(told), sent(slow)) == (events, answer)


def test_a_reused_buffer_does_not_change_kept_bytes():
    dialogue = exec_dialogue()
    whole, reused = Connection(), Connection()
    buffer, told = bytearray(7), []

    for start in range(0, len(dialogue), 7):
        piece = dialogue[start : start + 7]
        buffer[: len(piece)] = piece
        events = reused.receive(memoryview(buffer)[: len(piece)])
        told += [copied(event) for event in events]

    assert joined(told) == joined(whole.receive(dialogue))


def copied(event: Event) -> Event:
    if isinstance(event, DataReceived):
        return DataReceived(event.stream, memoryview(bytes(event.data)), event.fin)
    return event
