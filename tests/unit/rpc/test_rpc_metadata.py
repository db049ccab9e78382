"""The metadata of a call: valid ids and traces are taken, anything else is ignored."""

import pytest

from cri_shim.rpc import metadata

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_valid_values_are_taken() -> None:
    received = [
        ("user-agent", "grpc-go"),
        ("x-request-id", "0f3c:kubelet/7"),
        ("traceparent", TRACE),
        ("tracestate", "vendor=value"),
    ]

    assert metadata.known(received) == dict(received[1:])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x-request-id", ""),
        ("x-request-id", "a b"),
        ("x-request-id", "x" * 65),
        ("x-request-id", "id\nINFO forged"),
        ("x-request-id", b"bytes"),
        ("traceparent", TRACE + "0"),
        ("traceparent", TRACE.upper()),
        ("tracestate", "x" * 513),
        ("tracestate", "a=\x00"),
    ],
)
def test_other_values_are_ignored(key: str, value: str | bytes) -> None:
    assert metadata.known([(key, value)]) == {}


def test_a_call_without_metadata_has_none() -> None:
    assert metadata.known(None) == {}


def test_new_ids_differ_and_are_valid() -> None:
    one, two = metadata.new_id(), metadata.new_id()

    assert one != two
    assert metadata.known([("x-request-id", one)]) == {"x-request-id": one}
