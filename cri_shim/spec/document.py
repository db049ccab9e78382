"""The document itself: its type, and its form on disk.

Environment values are bytes in CRI and may be no UTF-8. Inside they are strings with surrogate
escapes; on disk they are the very bytes again, which json.dumps alone would not give.
"""

import json
from typing import Any

OCI_VERSION = "1.0.2"

Document = dict[str, Any]


def encode(document: Document) -> bytes:
    """The JSON text of a spec, process or resources object, as the OCI runtime is to read it."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> Document:
    """What `encode` wrote. Raises ValueError when it is no JSON object."""
    value = json.loads(data.decode("utf-8", "surrogateescape"))
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, found {type(value).__name__}")  # noqa: TRY004
    return value
