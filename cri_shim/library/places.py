"""Archives and directories of images, as callers name them: a path, or TRANSPORT:PATH."""

import os
from pathlib import Path

_TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")


def absolute(place: str | os.PathLike[str], bare: str = "") -> str:
    """Return a place with an absolute path; `bare` is put before one without a transport."""
    text = os.fspath(place)
    transport, colon, path = text.partition(":")
    if colon and transport in _TRANSPORTS:
        return f"{transport}:{Path(path).absolute()}" if path else text
    return f"{bare}{Path(text).absolute()}" if text else text
