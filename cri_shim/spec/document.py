"""The document itself: its type, and its form on disk.

The form is UTF-8 JSON with no exception: crun does not load a file that has other bytes in it.
"""

import json
from typing import Any

from cri_shim.untrusted import parse_json

OCI_VERSION = "1.0.2"

Document = dict[str, Any]


def encode(document: Document) -> bytes:
    """The JSON text of a spec, process or resources object, as the OCI runtime is to read it."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def decode(data: bytes) -> Document:
    """What `encode` wrote. Raises ValueError when it is no JSON object."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, found {type(value).__name__}")  # noqa: TRY004
    return value
