"""Answers that are too large for one message, and what a caller can do about it.

The CRI's clients take 16 MiB, which lists of very many or very talkative records exceed. gRPC would
refuse them with two numbers; here the refusal says how else to ask. A server does not know what its
client takes: one that takes more says so in the call's metadata, in bytes:

    max-message-bytes: 67108864
"""

from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor

from cri_shim.errors import ResourceExhausted

MAX_BYTES = 16 * 1024 * 1024  # the CRI's limit for one message, both ways
ALLOWANCE = "max-message-bytes"


def allowed(metadata: Iterable[tuple[str, str | bytes]] | None) -> int:
    """How many bytes this caller takes in one message."""
    for key, value in metadata or ():
        if key == ALLOWANCE and value.isdigit():
            return max(int(value), MAX_BYTES)
    return MAX_BYTES


def fitting(method: MethodDescriptor, answer: bytes, limit: int) -> bytes:
    """The answer as it is; ResourceExhausted for one beyond `limit` bytes."""
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
    """The RPC that tells the same in parts; "" if there is none."""
    told = "Stream" + method.name.removeprefix("List")
    names = {other.name for other in method.containing_service.methods if other.server_streaming}
    return next((name for name in (told, f"{told}es") if name in names), "")
