"""Exec and attach: streams, status and resizes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.wire.negotiation import V1, V1_BASE64, V2, V3, V4, V4_BASE64, V5
from cri_shim.wire.remotecommand import (
    Outcome,
    ResizeDecoder,
    Size,
    Stream,
    StreamSet,
    decode_status,
    encode_outcome,
    expected_streams,
)

JSON_STATUS = [V4, V4_BASE64, V5]
PLAIN_STATUS = ["", V1, V1_BASE64, V2, V3]


@pytest.mark.parametrize(
    ("protocol", "asked", "streams"),
    [
        (V4, "stdout stderr", "error stdout stderr"),
        (V4, "stdin stdout stderr", "error stdin stdout stderr"),
        (V4, "stdin stdout tty", "error stdin stdout resize"),
        (V4, "stdin stdout stderr tty", "error stdin stdout resize"),
        (V3, "stdin stdout tty", "error stdin stdout resize"),
        (V2, "stdin stdout tty", "error stdin stdout"),
        (V1, "stdout tty", "error stdout"),
        (V4, "stdin", "error stdin"),
    ],
)
def test_the_expected_streams_follow_from_the_request(protocol: str, asked: str, streams: str):
    wanted = {name: name in asked.split() for name in ("stdin", "stdout", "stderr", "tty")}

    assert {kind.label for kind in expected_streams(protocol, **wanted)} == set(streams.split())


def test_streams_are_collected_until_all_are_open():
    gathered = StreamSet(frozenset({Stream.ERROR, Stream.STDOUT}))

    assert gathered.add({"streamtype": "stdout"}, 3) == ""
    assert (gathered.complete, gathered.missing) == (False, ["error"])
    assert gathered.add({"streamtype": "error"}, 5) == ""
    assert (gathered.complete, gathered.missing) == (True, [])
    assert gathered.streams == {Stream.STDOUT: 3, Stream.ERROR: 5}
    assert [gathered.kind(stream) for stream in (3, 5, 7)] == [Stream.STDOUT, Stream.ERROR, None]


@pytest.mark.parametrize("headers", [{}, {"streamtype": "stderr"}, {"streamtype": "stdout"}])
def test_an_unexpected_or_repeated_stream_is_refused(headers: dict[str, str]):
    gathered = StreamSet(frozenset({Stream.ERROR, Stream.STDOUT}))
    gathered.add({"streamtype": "stdout"}, 1)

    assert gathered.add(headers, 3) != ""
    assert gathered.streams == {Stream.STDOUT: 1}


@pytest.mark.parametrize("protocol", JSON_STATUS)
def test_success_is_a_status(protocol: str):
    assert encode_outcome(protocol, Outcome()) == b'{"metadata":{},"status":"Success"}'


@pytest.mark.parametrize("protocol", JSON_STATUS)
def test_an_exit_code_is_the_cause_of_a_failure(protocol: str):
    assert json.loads(encode_outcome(protocol, Outcome(exit_code=137))) == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: exit status 137",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "137"}]},
    }


@pytest.mark.parametrize("protocol", JSON_STATUS)
def test_an_error_of_ours_is_an_internal_error(protocol: str):
    assert json.loads(encode_outcome(protocol, Outcome(error="no such file"))) == {
        "metadata": {},
        "status": "Failure",
        "message": "Internal error occurred: no such file",
        "reason": "InternalError",
        "details": {"causes": [{"message": "no such file"}]},
        "code": 500,
    }


@pytest.mark.parametrize("protocol", PLAIN_STATUS)
def test_before_v4_only_a_failure_is_sent_as_text(protocol: str):
    assert encode_outcome(protocol, Outcome()) == b""
    assert b"non-zero exit code" in encode_outcome(protocol, Outcome(exit_code=3))
    assert encode_outcome(protocol, Outcome(error="no")) == b"Internal error occurred: no"


def test_an_exit_code_is_reduced_to_a_byte():
    assert b'"message":"255"' in encode_outcome(V4, Outcome(exit_code=-1))


def test_an_endless_error_text_is_cut():
    assert len(encode_outcome(V4, Outcome(error="x" * 10_000_000))) < 100_000


@pytest.mark.parametrize("outcome", [Outcome(), Outcome(exit_code=137), Outcome(error="no disk")])
def test_a_client_reads_what_was_encoded(outcome: Outcome):
    assert decode_status(encode_outcome(V5, outcome)) == outcome


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"status":"Failure"}',
        b'{"status":"Failure","reason":"NonZeroExitCode"}',
        b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[]}}',
        b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"message":"x"}]}}',
        b"\xff",
    ],
)
def test_a_status_that_cannot_be_read_is_an_error(text: bytes):
    assert decode_status(text).error.startswith("the session ended without a status")


def test_sizes_cut_at_any_byte_are_read():
    text = b'{"Width":90,"Height":30}\n {"Height":50 , "Width":132}{"width":1,"height":2}'
    sizes = [Size(90, 30), Size(132, 50), Size(1, 2)]

    for cut in range(len(text) + 1):
        decoder = ResizeDecoder()
        assert decoder.feed(text[:cut]) + decoder.feed(memoryview(text)[cut:]) == sizes


def test_sizes_that_no_terminal_has_are_left_out():
    decoder = ResizeDecoder()
    impossible = b'{"Width":0,"Height":30}{"Width":9,"Height":-1}{"Width":65536,"Height":1}'

    assert decoder.feed(impossible) == []
    assert decoder.feed(b'{"Width":9,"Height":1}') == [Size(9, 1)]


@pytest.mark.parametrize(
    "text",
    [
        b"}",
        b"[]}",
        b"{}",
        b'{"Width":1}',
        b'{"Width":"wide","Height":1}',
        b'{"Width":null,"Height":1}',
        b'{"Width":1e999,"Height":1}',
        b'{"Width":NaN,"Height":1}',
        b'{"Width":{"a":1},"Height":1}}',
        b"\xff\xfe}",
        b"[" * 1000 + b"}",
        b" " * 1025,
        b" " * 1025 + b"}",
    ],
)
def test_text_that_is_no_size_ends_the_resizing(text: bytes):
    decoder = ResizeDecoder()

    assert decoder.feed(text) == []
    assert decoder.failed
    assert decoder.feed(b'{"Width":80,"Height":24}') == []


def test_sizes_before_the_wrong_text_count():
    assert ResizeDecoder().feed(b'{"Width":80,"Height":24}{}') == [Size(80, 24)]


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_no_bytes_raise_and_the_buffer_is_bounded(pieces: list[bytes]):
    decoder = ResizeDecoder()

    for piece in pieces:
        decoder.feed(piece)
        assert len(decoder._held) <= 1024
