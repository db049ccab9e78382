"""The chain of lines: each line has the hash of the one before, and its own.

    {"seq":7,...,"prev":"HASH OF LINE 6","hash":"HASH"}

The hash of a line is the SHA-256 of its bytes without the last member, `,"hash":"..."`. So a check
needs no parsing of JSON in a canonical form.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim import untrusted

GENESIS = "0" * 64  # the hash before the first line
MAX_LINE = 16 << 10  # bytes
_END = re.compile(rb',"hash":"([0-9a-f]{64})"\}$')


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the number of a line, from 1, and its hash; (0, GENESIS) at first."""

    seq: int = 0
    hash: str = GENESIS


def sealed(facts: Mapping[str, Any], after: Link) -> tuple[bytes, Link]:
    """Return the line with `facts` that follows `after`, with its newline, and its place."""
    seq = after.seq + 1
    body = json.dumps({"seq": seq, **facts, "prev": after.hash}, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{digest}"}}\n'.encode(), Link(seq, digest)


def opened(line: bytes) -> tuple[dict[str, Any], Link]:
    """Return the facts of a line without its newline, and its place; ValueError if it is wrong."""
    if len(line) > MAX_LINE:
        raise ValueError(f"it has {len(line)} bytes; a line has {MAX_LINE} at most")
    found = _END.search(line)
    if found is None:
        raise ValueError("it has no hash at its end: it is no whole line")
    claimed = found[1].decode()
    if hashlib.sha256(line[: found.start()] + b"}").hexdigest() != claimed:
        raise ValueError("its hash is not that of its text: it was changed")
    facts = untrusted.parse_json(line)
    if not isinstance(facts, dict) or type(facts.get("seq")) is not int:
        raise ValueError("it has no number")
    return facts, Link(facts["seq"], claimed)


def follows(facts: Mapping[str, Any], after: Link) -> str:
    """Return why a line does not follow `after`; "" if it does."""
    if facts["seq"] != after.seq + 1:
        return f"its number is {facts['seq']}, and {after.seq + 1} is due: lines are missing"
    if facts.get("prev") != after.hash:
        return "it does not contain the hash of the line before: that one was replaced"
    return ""
