"""Converts signals between the CRI enum, an image's StopSignal text, and numbers.

The CRI enum is sorted by name, so its values are not signal numbers: it is mapped by *name*.
"""

import re
import signal

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.untrusted import printable

# Go and glibc programs use these numbers; other C libraries have another SIGRTMIN (musl: 35).
RTMIN, RTMAX = 34, 64
_MOST_DIGITS = 8  # of a number, leading zeros included
_ABOVE_MIN = re.compile(r"RTMIN(?:(?:\+|PLUS)(\d{1,2}))?")
_BELOW_MAX = re.compile(r"RTMAX(?:(?:-|MINUS)(\d{1,2}))?")


def number(value: "api_pb2.Signal.ValueType") -> int:
    """Return the number of a CRI signal; RUNTIME_DEFAULT is SIGTERM."""
    if value == api_pb2.SIGNAL_RUNTIME_DEFAULT:
        return int(signal.SIGTERM)
    try:
        name = api_pb2.Signal.Name(value)
    except ValueError:
        raise InvalidArgument("config.stop_signal", f"{value} is no signal of the API") from None
    return parse(name.removeprefix("SIGNAL_"), "config.stop_signal")


def parse(text: str, field: str = "config.image") -> int:
    """Return the number of "SIGTERM", "term", "15", "SIGRTMIN+3" or "RTMAX-1".

    InvalidArgument names `field` for any other text.
    """
    name = text.strip().upper()
    if name.isascii() and name.isdigit():
        found = int(name) if len(name) <= _MOST_DIGITS else None
    else:
        found = _named(name.removeprefix("SIG"))
    if found is None or found not in _DELIVERABLE:
        shown = printable(repr(text), 80)
        raise InvalidArgument(field, f"{shown} is no signal; use a name as SIGTERM, or a number")
    return found


def to_enum(signal_number: int) -> "api_pb2.Signal.ValueType":
    """Return the CRI signal with this number; ValueError if there is none."""
    return _ENUM[signal_number]


def effective(
    configured: "api_pb2.Signal.ValueType", image_stop_signal: str
) -> "api_pb2.Signal.ValueType":
    """Return the stop signal of a container: its config's, else its image's, else SIGTERM."""
    if configured != api_pb2.SIGNAL_RUNTIME_DEFAULT:
        number(configured)
        return configured
    if image_stop_signal:
        return to_enum(parse(image_stop_signal))
    return api_pb2.SIGNAL_SIGTERM


def _named(name: str) -> int | None:
    """Return the number of a name without SIG."""
    if above := _ABOVE_MIN.fullmatch(name):
        return RTMIN + int(above.group(1) or 0)
    if below := _BELOW_MAX.fullmatch(name):
        return RTMAX - int(below.group(1) or 0)
    known = getattr(signal, f"SIG{name}", None)
    return int(known) if isinstance(known, signal.Signals) else None


def _enum_by_number() -> "dict[int, api_pb2.Signal.ValueType]":
    found: dict[int, api_pb2.Signal.ValueType] = {}
    for name, value in api_pb2.Signal.items():
        known = _named(name.removeprefix("SIGNAL_").removeprefix("SIG"))
        if known is not None and (known not in found or _is_usual(name, known)):
            found[known] = value
    return found


def _is_usual(name: str, known: int) -> bool:
    """Return whether the name is the usual one of two for one number, as SIGCHLD and SIGCLD."""
    return known < RTMIN and name == f"SIGNAL_{signal.Signals(known).name}"


_ENUM = _enum_by_number()
_DELIVERABLE = frozenset(_ENUM)  # not 32 and 33, which the C library reserves
