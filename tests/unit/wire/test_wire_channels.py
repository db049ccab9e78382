"""The channels of WebSocket messages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.wire.channels import (
    BadMessage,
    ChannelClosed,
    ChannelData,
    ChannelEvent,
    Channels,
)
from cri_shim.wire.negotiation import V1, V1_BASE64, V4, V4_BASE64, V5
from cri_shim.wire.remotecommand import Stream

BINARY = ["", V1, V4, V5]
TEXT = [V1_BASE64, V4_BASE64]


def read(events: list[ChannelEvent]) -> list[tuple[int, bytes]]:
    return [(e.channel, bytes(e.data)) for e in events if isinstance(e, ChannelData)]


@pytest.mark.parametrize("protocol", BINARY)
def test_binary_messages_begin_with_the_channel(protocol: str):
    channels = Channels(protocol)

    assert channels.encode(Stream.STDOUT, b"out") == b"\x01out"
    assert channels.encode(Stream.STDOUT, memoryview(b"")) == b"\x01"
    assert read(channels.decode(b"\x00in")) == [(Stream.STDIN, b"in")]
    assert not channels.text


@pytest.mark.parametrize("protocol", TEXT)
def test_text_messages_are_a_digit_and_base64(protocol: str):
    channels = Channels(protocol)

    assert channels.encode(Stream.ERROR, b"\xff\x00") == "3/wA="
    assert read(channels.decode("0aGk=")) == [(Stream.STDIN, b"hi")]
    assert channels.text


@pytest.mark.parametrize("protocol", [*BINARY, *TEXT])
def test_empty_messages_are_ignored(protocol: str):
    channels = Channels(protocol)
    nothing = channels.encode(Stream.STDIN, b"")[:0]

    assert channels.decode(nothing) == []
    assert channels.decode(channels.encode(Stream.STDIN, b"")) == []


def test_a_v5_client_may_close_its_stdin():
    channels = Channels(V5)

    assert channels.encode_close(Stream.STDIN) == b"\xff\x00"
    assert channels.decode(b"\xff\x00") == [ChannelClosed(Stream.STDIN)]
    assert channels.decode(b"\xff", finished=False) + channels.decode(b"\x00") == [
        ChannelClosed(Stream.STDIN)
    ]
    assert channels.decode(b"\xff") == []


def test_before_v5_channel_255_is_just_another():
    assert read(Channels(V4).decode(b"\xff\x00")) == [(255, b"\x00")]


@pytest.mark.parametrize("protocol", [V5, V4_BASE64])
def test_a_message_in_fragments_is_passed_on_as_it_comes(protocol: str):
    channels = Channels(protocol)
    message = channels.encode(Stream.STDIN, b"some longer input")

    for cut in range(len(message) + 1):
        first = read(channels.decode(message[:cut], finished=False))
        second = read(channels.decode(message[cut:]))
        assert b"".join(data for _, data in first + second) == b"some longer input"
        assert {channel for channel, _ in first + second} == {Stream.STDIN}


@pytest.mark.parametrize(
    "message",
    ["0a", "0ab", "0abc", "0a=bc", "0!!!!", "0aGk=aGk=", "0\N{SNOWMAN}AAA", "/AAAA", "\uffffAAAA"],
)
def test_text_that_is_no_channel_and_base64_is_refused(message: str):
    (event,) = Channels(V4_BASE64).decode(message)

    assert isinstance(event, BadMessage)


def test_base64_after_its_end_is_refused_in_a_later_fragment():
    channels = Channels(V4_BASE64)

    assert read(channels.decode("0aGk=", finished=False)) == [(Stream.STDIN, b"hi")]
    assert isinstance(channels.decode("aGk=")[0], BadMessage)
    assert read(channels.decode("0aGk=")) == [(Stream.STDIN, b"hi")]


@pytest.mark.parametrize(("protocol", "message"), [(V5, "0aGk="), (V4_BASE64, b"\x00hi")])
def test_a_message_of_the_wrong_type_is_refused(protocol: str, message: bytes | str):
    (event,) = Channels(protocol).decode(message)

    assert isinstance(event, BadMessage)


@given(
    st.sampled_from([*BINARY, *TEXT]),
    st.lists(st.tuples(st.one_of(st.binary(max_size=50), st.text(max_size=50)), st.booleans())),
)
def test_no_message_raises_and_the_buffer_is_bounded(
    protocol: str, messages: list[tuple[bytes | str, bool]]
):
    channels = Channels(protocol)

    for message, finished in messages:
        channels.decode(message, finished=finished)
        assert len(channels._rest) < 4


@given(st.sampled_from([*BINARY, *TEXT]), st.integers(0, 4), st.binary(max_size=500))
def test_encoded_messages_are_read_back(protocol: str, channel: int, data: bytes):
    channels = Channels(protocol)

    assert b"".join(d for _, d in read(channels.decode(channels.encode(channel, data)))) == data


def test_base64_is_that_of_the_standard_library():
    assert Channels(V4_BASE64).encode(Stream.STDOUT, bytes(range(9))) == "1" + base64.b64encode(
        bytes(range(9))
    ).decode("ascii")
