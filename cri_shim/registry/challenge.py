"""WWW-Authenticate: how a registry wants to be asked (RFC 9110, 11.6.1); pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PART = re.compile(rf'[ \t,]*({_TOKEN})(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))|[ \t]|$)')
_QUOTED_PAIR = re.compile(r"\\(.)")
MAX_HEADER = 16 << 10  # characters


@dataclass(frozen=True, slots=True)
class Challenge:
    scheme: str  # lower case: "basic", "bearer", ...
    parameters: Mapping[str, str]


def parse(headers: Sequence[str]) -> list[Challenge]:
    """Return the challenges of all WWW-Authenticate headers, each up to what cannot be read."""
    found: list[Challenge] = []
    for header in (whole[:MAX_HEADER] for whole in headers):
        scheme, at = "", 0
        parameters: dict[str, str] = {}
        while match := _PART.match(header, at):
            at = match.end()
            name, quoted, plain = match.groups()
            if quoted is None and plain is None:
                scheme, parameters = name.lower(), {}
                found.append(Challenge(scheme, parameters))
            elif scheme:
                value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else plain
                parameters.setdefault(name.lower(), value)
    return found
