"""The limits of `default_ulimits`: NAME=SOFT[:HARD], as in Docker and CRI-O."""

from collections.abc import Sequence

from cri_shim.untrusted import printable

NAMES = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "rss", "rtprio", "rttime", "sigpending", "stack",
)  # fmt: skip
UNLIMITED = 2**64 - 1  # the kernel's RLIM_INFINITY; written as -1
_LONGEST = 20  # digits


def parse(text: str) -> tuple[str, int, int]:
    """Return name, soft and hard limit; without HARD it is the soft one. ValueError."""
    name, equals, limits = text.partition("=")
    soft_text, colon, hard_text = limits.partition(":")
    shown = printable(repr(text), 100)
    if not equals:
        raise ValueError(f"must be NAME=SOFT or NAME=SOFT:HARD, not {shown}")
    if name not in NAMES:
        raise ValueError(f"{shown}: the limits are {', '.join(NAMES)}")
    soft, hard = (_number(part, shown) for part in (soft_text, hard_text if colon else soft_text))
    if soft > hard:
        raise ValueError(f"{shown}: the soft limit is above the hard limit")
    return name, soft, hard


def check(value: Sequence[str]) -> str:
    """Return the problem of a list of limits; "" if there is none."""
    names = []
    for text in value:
        try:
            names.append(parse(text)[0])
        except ValueError as e:
            return str(e)
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"{twice} is in the list twice" if twice else ""


def _number(text: str, shown: str) -> int:
    if text == "-1":
        return UNLIMITED
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise ValueError(f"{shown}: a limit must be a number, or -1 for none")
    value = int(text)
    if value > UNLIMITED:
        raise ValueError(f"{shown}: a limit must be at most {UNLIMITED}")
    return value
