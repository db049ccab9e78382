"""Ages and filters of `pods` and `ps`, like crictl's."""

import argparse
import time
from types import SimpleNamespace

import pytest

from cri_shim.cli.listing import add_filters, age, chosen, shown

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "Less than a second ago"),
        (1.5, "1 second ago"),
        (59.9, "59 seconds ago"),
        (MINUTE + 1, "About a minute ago"),
        (2 * MINUTE + 1, "2 minutes ago"),
        (59.9 * MINUTE, "59 minutes ago"),
        (HOUR + 1, "About an hour ago"),
        (1.6 * HOUR, "2 hours ago"),
        (47 * HOUR, "47 hours ago"),
        (48 * HOUR, "2 days ago"),
        (13 * DAY, "13 days ago"),
        (14 * DAY, "2 weeks ago"),
        (59 * DAY, "8 weeks ago"),
        (60 * DAY, "2 months ago"),
        (729 * DAY, "24 months ago"),
        (730 * DAY, "2 years ago"),
        (-5, "Less than a second ago"),
    ],
)
def test_an_age_has_a_readable_unit(
    seconds: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000 * 10**9)
    assert age(int((2_000_000_000 - seconds) * 10**9)) == words


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_filters(parser, ("ready",))
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), [4, 3, 1]),
        (("--latest",), [4]),
        (("--last", "2"), [4, 3]),
        (("--last", "0"), [4, 3, 1]),
    ],
)
def test_the_youngest_come_first(words: tuple[str, ...], found: list[int]) -> None:
    rows = [SimpleNamespace(created_at=n) for n in (1, 4, 2, 3)]
    picked = chosen(arguments(*words), rows, lambda row: row.created_at != 2)
    assert [row.created_at for row in picked] == found


def test_ids_are_short_unless_no_trunc_is_given() -> None:
    assert shown(arguments(), "sha256:" + "0123456789abcdef" * 4) == "0123456789abc"
    assert shown(arguments("--no-trunc"), "0123456789abcdef") == "0123456789abcdef"
