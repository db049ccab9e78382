"""CRI messages as crictl's JSON: every field, and the times of a status as text."""

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_TIMES = ("createdAt", "startedAt", "finishedAt")
_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time


def fields(message: Message) -> dict[str, Any]:
    """Return a message with all its fields, also the empty ones."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def text(message: Message) -> str:
    return json.dumps(fields(message), indent=2)


def status(message: Message, info: dict[str, str]) -> dict[str, Any]:
    """Return a container's or pod's status with the additional `info` of a verbose answer."""
    known = fields(message)
    known.update({name: moment(int(known[name])) for name in _TIMES if name in known})
    if "stopSignal" in known:
        known["stopSignal"] = known["stopSignal"].removeprefix("SIGNAL_")
    return {"status": known} | {name: _info(value) for name, value in info.items()}


def moment(nanoseconds: int) -> str:
    """Format a time since the epoch in RFC 3339, without trailing zeros, like Go."""
    if not nanoseconds:
        return _NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _info(value: str) -> Any:
    """Decode a value of `info`: JSON if it is an object, else text."""
    if not value.startswith("{"):
        return value.strip('"')
    try:
        return json.loads(value)
    except ValueError:
        return value
