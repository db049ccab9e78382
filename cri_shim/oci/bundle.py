"""The OCI document (config.json) in a container's bundle directory."""

import json
from pathlib import Path
from typing import Any

from cri_shim.linux.privacy import write_private
from cri_shim.untrusted import read_file

MAX_FILE = 64 << 20  # bytes: a request of 16 MiB, with every character escaped
Document = dict[str, Any]


def write(bundle: Path, document: Document) -> None:
    """Write config.json whole or not at all; `bundle` must exist. Raises OSError."""
    # Private, because the environment has secrets. It need not be UTF-8; its bytes are kept.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    write_private(bundle / "config.json", text)


def spec(bundle: Path) -> Document:
    """Read config.json. Raises OSError, or ValueError if it is not JSON."""
    text = read_file(bundle / "config.json", MAX_FILE).decode(errors="surrogateescape")
    try:
        document: Document = json.loads(text)
    except RecursionError:
        raise ValueError("is JSON nested too deeply") from None
    return document
