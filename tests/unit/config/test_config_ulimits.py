"""Limits of `default_ulimits` as Docker and CRI-O write them."""

import pytest

from cri_shim.config import ulimits


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("nofile=1024:2048", ("nofile", 1024, 2048)),
        ("nproc=7", ("nproc", 7, 7)),
        ("core=0:-1", ("core", 0, ulimits.UNLIMITED)),
        ("memlock=-1", ("memlock", ulimits.UNLIMITED, ulimits.UNLIMITED)),
    ],
)
def test_a_limit_is_a_name_a_soft_and_a_hard_limit(text: str, limit: tuple[str, int, int]) -> None:
    assert ulimits.parse(text) == limit
    assert ulimits.check([text]) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nofile", "must be NAME=SOFT or NAME=SOFT:HARD"),
        ("files=1", "the limits are as, core,"),
        ("nofile=2:1", "the soft limit is above the hard limit"),
        ("nofile=-1:5", "the soft limit is above the hard limit"),
        ("nofile=", "a limit must be a number"),
        ("nofile=1:", "a limit must be a number"),
        ("nofile=1:2:3", "a limit must be a number"),
        ("nofile=-2", "a limit must be a number"),
        ("nofile=\u0661", "a limit must be a number"),
        ("nofile=18446744073709551616", "at most 18446744073709551615"),
        ("nofile=" + "9" * 5000, "a limit must be a number"),
    ],
)
def test_what_is_no_limit_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ulimits.parse(text)
    assert problem in ulimits.check(["core=1", text])
    assert len(ulimits.check([text])) < 250


def test_a_limit_that_is_there_twice_is_refused() -> None:
    assert ulimits.check(["core=1", "core=2"]) == "core is in the list twice"
