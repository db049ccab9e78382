"""The OCI document (config.json) in a container's bundle directory."""

import json
from pathlib import Path
from typing import Any

from cri_shim.linux.privacy import write_private

Document = dict[str, Any]


def write(bundle: Path, document: Document) -> None:
    """Write config.json whole or not at all; `bundle` must exist. Raises OSError."""
    # Private: the environment has secrets. It need not be UTF-8, and goes on byte for byte.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    write_private(bundle / "config.json", text)


def spec(bundle: Path) -> Document:
    """Read it back. Raises FileNotFoundError, or ValueError if it is no JSON."""
    text = (bundle / "config.json").read_text(encoding="utf-8", errors="surrogateescape")
    document: Document = json.loads(text)
    return document
