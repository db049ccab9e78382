"""The type of the document, and its form on disk.

The file is always valid UTF-8 JSON: crun does not load a file with other bytes.
"""

import json
from typing import Any

from cri_shim.untrusted import parse_json

OCI_VERSION = "1.0.2"

Document = dict[str, Any]


def encode(document: Document) -> bytes:
    """Return the JSON text of a spec, process or resources object for the OCI runtime."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def decode(data: bytes) -> Document:
    """Parse the output of `encode`. ValueError if it is not a JSON object."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, found {type(value).__name__}")  # noqa: TRY004
    return value
