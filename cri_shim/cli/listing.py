"""The shared part of `pods` and `ps`: filters and ages, like crictl's."""

import argparse
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol, TypeVar

from cri_shim.cli import output
from cri_shim.cli.arguments import assignment, pattern

_ID_LENGTH = 13  # characters of an id that crictl shows
_DAY_H, _WEEK_H, _MONTH_H, _YEAR_H = 24, 24 * 7, 24 * 30, 24 * 365


class _Row(Protocol):
    @property
    def created_at(self) -> int: ...


R = TypeVar("R", bound=_Row)


def add_filters(parser: argparse.ArgumentParser, states: Sequence[str]) -> None:
    """Add the options of both commands; `states` are the values of --state."""
    parser.add_argument(
        "--name", metavar="PATTERN", type=pattern, help="filter by name: a regular expression"
    )
    parser.add_argument(
        "--namespace", metavar="PATTERN", type=pattern, help="filter by the pod's namespace"
    )
    parser.add_argument(
        "--label", metavar="KEY=VALUE", action="append", default=[], type=assignment,
        help="filter by label; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "-s",
        "--state",
        type=str.lower,
        choices=states,
        metavar="STATE",
        help=f"filter by state: {', '.join(states)}",
    )
    parser.add_argument("-l", "--latest", action="store_true", help="only the newest one")
    parser.add_argument("-n", "--last", metavar="N", type=int, default=0, help="the N newest")
    parser.add_argument("--no-trunc", action="store_true", help="show full IDs")
    output.add(parser)


def chosen(args: argparse.Namespace, rows: Iterable[R], passes: Callable[[R], bool]) -> list[R]:
    """Return the rows that pass, the youngest first, as many as requested."""
    youngest_first = sorted(filter(passes, rows), key=lambda row: row.created_at, reverse=True)
    count = 1 if args.latest else args.last
    return list(islice(youngest_first, count if count > 0 else None))


def fits(wanted: re.Pattern[str] | None, text: str) -> bool:
    """Whether a text contains the pattern, or no pattern is given."""
    return wanted is None or wanted.search(text) is not None


def shown(args: argparse.Namespace, id: str) -> str:
    """Return an id as the table shows it."""
    return id if args.no_trunc else id.removeprefix("sha256:")[:_ID_LENGTH]


def age(created_at: int) -> str:
    """Format the age of an object made at `created_at` (nanoseconds since the epoch)."""
    return f"{_duration(max(0, time.time_ns() - created_at) / 1e9)} ago"


def age_of_text(created: str) -> str:
    """Format the age of an RFC 3339 time of an image; "unknown" if it is none."""
    try:
        at = datetime.fromisoformat(created).astimezone()
    except (ValueError, OverflowError):
        return "unknown"
    return age(int(at.timestamp() * 10**9))


def _duration(seconds: float) -> str:
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 2 * _DAY_H:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for name, unit, until in (
        ("days", _DAY_H, 2 * _WEEK_H),
        ("weeks", _WEEK_H, 2 * _MONTH_H),
        ("months", _MONTH_H, 2 * _YEAR_H),
    ):
        if hours < until:
            return f"{hours // unit} {name}"
    return f"{int(seconds / 3600) // _YEAR_H} years"
