"""Answers that are too large for one message."""

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import message_size

METHODS = [
    method
    for service in api.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.name.startswith("List") and method.name != "ListMetricDescriptors"
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_list_that_is_too_long_names_the_stream_that_exists(method) -> None:
    with pytest.raises(ResourceExhausted, match=rf"{method.name}: .*call Stream") as refusal:
        message_size.fitting(method, b"12345", 4)
    named = str(refusal.value).split("call ")[1].split(",")[0]
    assert method.containing_service.methods_by_name[named].server_streaming


def test_an_answer_that_fits_is_unchanged() -> None:
    assert message_size.fitting(METHODS[0], b"1234", 4) == b"1234"


@pytest.mark.parametrize(
    ("metadata", "limit"),
    [
        (None, message_size.MAX_BYTES),
        ([("user-agent", "kubelet")], message_size.MAX_BYTES),
        ([("max-message-bytes", "67108864")], 67108864),
        ([("max-message-bytes", "1")], message_size.MAX_BYTES),
        ([("max-message-bytes", "much")], message_size.MAX_BYTES),
    ],
)
def test_a_caller_may_raise_its_limit(metadata, limit) -> None:
    assert message_size.allowed(metadata) == limit
