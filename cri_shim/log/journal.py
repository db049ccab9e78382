"""The native form of the journal: an event is a set of fields, systemd.journal-fields(7).

    journalctl CRI_SHIM_POD=web CRI_SHIM_NAMESPACE=default
    journalctl REQUEST_ID=4f0c1b2a-17

The protocol is a datagram for each event: `KEY=value` and a newline, or for a value with newlines
KEY, a newline, its size in 8 bytes, the value and a newline. See
https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cri_shim.log.event import PRIORITIES, Event
from cri_shim.log.text import MAX_FACT, lines
from cri_shim.untrusted import one_line

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "cri-shim"
MAX_TEXT = 32 << 10  # characters, each of up to 4 bytes: a datagram has room for 200 KiB
MAX_FACTS = 16
_KEY = re.compile(r"[^A-Z0-9_]")
_OF_OBJECT = {
    "namespace": "CRI_SHIM_NAMESPACE",
    "pod": "CRI_SHIM_POD",
    "container": "CRI_SHIM_CONTAINER",
    "pod_id": "CRI_SHIM_POD_ID",
    "container_id": "CRI_SHIM_CONTAINER_ID",
}


def encoded(record: logging.LogRecord) -> bytes:
    """Return the datagram of a record; its MESSAGE is the line of the text form."""
    event = Event.of(record)
    fields = {
        "MESSAGE": "\n".join(lines(event))[:MAX_TEXT],
        "PRIORITY": str(PRIORITIES[event.level]),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "CRI_SHIM_LOGGER": event.logger,
    }
    if event.request:
        fields["REQUEST_ID"] = event.request
    fields |= {_OF_OBJECT[key]: value for key, value in event.object().items()}
    facts = list(event.facts.items())[:MAX_FACTS]
    fields |= {_key(key): one_line(value, MAX_FACT) for key, value in facts}
    return datagram(fields)


def _key(name: str) -> str:
    return f"CRI_SHIM_FACT_{_KEY.sub('_', name.upper())[:40]}"


def datagram(fields: Mapping[str, str]) -> bytes:
    """Return the fields in the journal's protocol."""
    parts: list[bytes] = []
    for key, text in fields.items():
        value = text.encode(errors="backslashreplace")
        if b"\n" in value:
            size = len(value).to_bytes(8, "little")
            parts.append(b"%s\n%s%s\n" % (key.encode(), size, value))
        else:
            parts.append(b"%s=%s\n" % (key.encode(), value))
    return b"".join(parts)


def is_stderr() -> bool:
    """Whether stderr is the journal. JOURNAL_STREAM is its device:inode, see systemd.exec(5)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        mine = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(mine.st_dev), str(mine.st_ino))
