"""The limits of `default_ulimits`: NAME=SOFT[:HARD], as in Docker and CRI-O."""

from cri_shim.config.checks import once_each
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


def _number(text: str, shown: str) -> int:
    if text == "-1":
        return UNLIMITED
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise ValueError(f"{shown}: a limit must be a number, or -1 for none")
    value = int(text)
    if value > UNLIMITED:
        raise ValueError(f"{shown}: a limit must be at most {UNLIMITED}")
    return value


check = once_each(lambda text: parse(text)[0])
