"""The files of time zones on this node."""

from pathlib import Path

ZONES = Path("/usr/share/zoneinfo")
LOCAL = Path("/etc/localtime")


def file_of(zone: str) -> Path:
    """Return the file of a zone's name; "Local" is the node's own. FileNotFoundError."""
    file = LOCAL if zone == "Local" else ZONES / zone
    if not file.is_file():
        raise FileNotFoundError(2, "no such time zone; install the package tzdata", str(file))
    return file
