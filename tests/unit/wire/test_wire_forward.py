"""Port-forward: pairing streams, and the channels of the legacy framing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.wire.forward import (
    MAX_HALF_PAIRS,
    PAIR_TIMEOUT,
    ChannelPair,
    Pair,
    Pairing,
    RefusedStream,
    legacy_channels,
)


def headers(kind: str, port: str = "80", request: str | None = "0") -> dict[str, str]:
    given_headers = {"streamtype": kind, "port": port}
    return given_headers if request is None else given_headers | {"requestid": request}


def test_an_error_and_a_data_stream_of_one_request_are_a_pair():
    pairing = Pairing()

    assert pairing.add(1, headers("error"), 0.0) is None
    assert pairing.add(3, headers("data"), 0.0) == Pair(80, error=1, data=3)


def test_the_streams_of_several_requests_may_be_mixed():
    pairing = Pairing()

    assert pairing.add(1, headers("error", "80", "a"), 0.0) is None
    assert pairing.add(3, headers("data", "90", "b"), 0.0) is None
    assert pairing.add(5, headers("data", "80", "a"), 0.0) == Pair(80, error=1, data=5)
    assert pairing.add(7, headers("error", "90", "b"), 0.0) == Pair(90, error=7, data=3)
    assert pairing.deadline is None


def test_without_requestid_the_data_stream_is_two_above_its_error_stream():
    pairing = Pairing()

    assert pairing.add(1, headers("error", request=None), 0.0) is None
    assert pairing.add(5, headers("error", request=None), 0.0) is None
    assert pairing.add(7, headers("data", request=None), 0.0) == Pair(80, error=5, data=7)
    assert pairing.add(3, headers("data", request=None), 0.0) == Pair(80, error=1, data=3)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param({}, id="no headers"),
        pytest.param(headers("stdin"), id="another type"),
        pytest.param(headers("error"), id="the type again"),
        pytest.param(headers("data", "81"), id="another port"),
        pytest.param({"streamtype": "data", "requestid": "0"}, id="no port"),
        *[
            pytest.param(headers("data", port), id=f"port {port!r}")
            for port in ("", "0", "65536", "-1", "+80", " 80", "8_0", "x", "\u0668", "9" * 5000)
        ],
        pytest.param(headers("data", "80", "x" * 65), id="long requestid"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused_and_the_others_continue(refused: dict[str, str]):
    pairing = Pairing()
    pairing.add(1, headers("error"), 0.0)

    assert isinstance(pairing.add(3, refused, 0.0), RefusedStream)
    assert pairing.add(5, headers("data"), 0.0) == Pair(80, error=1, data=5)


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_first_and_the_last_port_can_be_forwarded(port: str):
    assert Pairing().add(1, headers("error", port), 0.0) is None


def test_a_request_may_be_used_again_after_its_pair():
    pairing = Pairing()
    pairing.add(1, headers("error"), 0.0)
    pairing.add(3, headers("data"), 0.0)

    assert pairing.add(5, headers("error"), 0.0) is None


def test_a_half_pair_is_overdue_when_its_time_is_over():
    pairing = Pairing()
    pairing.add(1, headers("error", request="a"), 100.0)
    pairing.add(3, headers("error", request="b"), 110.0)

    assert pairing.deadline == 100.0 + PAIR_TIMEOUT
    assert pairing.overdue(100.0 + PAIR_TIMEOUT - 0.1) == []
    assert pairing.overdue(100.0 + PAIR_TIMEOUT) == [1]
    assert pairing.deadline == 110.0 + PAIR_TIMEOUT
    assert pairing.add(5, headers("data", request="b"), 139.0) == Pair(80, error=3, data=5)


def test_a_half_pair_that_was_reset_is_forgotten():
    pairing = Pairing()
    pairing.add(1, headers("error"), 0.0)

    pairing.forget(1)
    pairing.forget(99)

    assert pairing.add(3, headers("data"), 0.0) is None


def test_half_pairs_are_bounded():
    pairing = Pairing()
    for number in range(MAX_HALF_PAIRS):
        assert pairing.add(number, headers("error", request=str(number)), 0.0) is None

    assert isinstance(pairing.add(9999, headers("error", request="x"), 0.0), RefusedStream)
    assert pairing.add(8888, headers("data", request="7"), 0.0) == Pair(80, error=7, data=8888)


@given(st.lists(st.dictionaries(st.sampled_from(["streamtype", "port", "requestid"]), st.text())))
def test_no_headers_raise(all_headers: list[dict[str, str]]):
    pairing = Pairing()

    for number, some in enumerate(all_headers):
        pairing.add(number, some, 0.0)


def test_ports_of_the_legacy_framing_have_two_channels_each():
    assert legacy_channels([80, 8080]) == [ChannelPair(80, 0, 1), ChannelPair(8080, 2, 3)]
    assert [pair.greeting for pair in legacy_channels([80, 8080])] == [b"\x50\x00", b"\x90\x1f"]
    assert legacy_channels(list(range(1, 128)))[-1] == ChannelPair(127, 252, 253)


def test_more_ports_than_the_framing_has_channels_for_are_refused():
    with pytest.raises(ValueError, match="128 ports"):
        legacy_channels(list(range(1, 129)))
