"""Refuses an answer that is too large for one message, with a text that says what to do.

The CRI's clients accept 16 MiB. A list of very many or very large records is larger. gRPC would
refuse it with two numbers; the text here names an alternative. A server does not know the limit of
its client. A client with a higher limit states it in the call's metadata, in bytes:

    max-message-bytes: 67108864
"""

from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor

from cri_shim.errors import ResourceExhausted

MAX_BYTES = 16 * 1024 * 1024  # the CRI's limit for one message, both ways
ALLOWANCE = "max-message-bytes"


def allowed(metadata: Iterable[tuple[str, str | bytes]] | None) -> int:
    """Return the bytes that the caller accepts in one message."""
    for key, value in metadata or ():
        if key == ALLOWANCE and value.isdigit():
            return max(int(value), MAX_BYTES)
    return MAX_BYTES


def fitting(method: MethodDescriptor, answer: bytes, limit: int) -> bytes:
    """Return the answer; ResourceExhausted if it has more than `limit` bytes."""
    if len(answer) <= limit:
        return answer
    stream = _stream_of(method)
    hint = f"call {stream}, which answers in parts, or " if stream else ""
    raise ResourceExhausted(
        f"{method.name}: the answer has {len(answer)} bytes, more than the {limit} of one message:"
        f" {hint}ask for less by a filter, or say in the call's metadata that you take more"
        f" ({ALLOWANCE}: NUMBER)"
    )


def _stream_of(method: MethodDescriptor) -> str:
    """Return the RPC that answers the same in parts; "" if there is none."""
    stream = "Stream" + method.name.removeprefix("List")
    names = {other.name for other in method.containing_service.methods if other.server_streaming}
    return next((name for name in (stream, f"{stream}es") if name in names), "")
