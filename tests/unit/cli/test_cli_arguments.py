"""Types of arguments: the meaning of a text, and the texts that are refused."""

import argparse
import time

import pytest

from cri_shim.cli.arguments import any_id, container_id, pattern, pod_id, since

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", NOW - 90),
        ("1.5h", NOW - 5400),
        ("1h30m", NOW - 5400),
        ("2m0.5s", NOW - 120.5),
        ("2001-09-09T01:46:40Z", 10**9),
        ("2001-09-09T01:46:40.25Z", 10**9 + 0.25),
        ("2001-09-09T03:46:40+02:00", 10**9),
    ],
)
def test_since_is_a_time_or_an_age(
    text: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    assert since(text) == int(seconds * 10**9)


def test_a_time_without_a_zone_is_the_nodes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        assert since("2001-09-09T04:46:40") == 10**18
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "noon", "1x", "h", "5", "1m1h", "2001-09-09T99:00:00Z"])
def test_a_text_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a time"):
        since(text)


def test_a_malformed_pattern_is_refused_with_its_problem() -> None:
    assert pattern("^a+$").search("aaa")
    with pytest.raises(
        argparse.ArgumentTypeError, match=r"'\(' is not a regular expression: missing"
    ):
        pattern("(")


@pytest.mark.parametrize("kind", [any_id, container_id, pod_id])
def test_an_id_is_never_empty(kind: object) -> None:
    assert callable(kind) and kind("a") == "a"
    with pytest.raises(argparse.ArgumentTypeError, match="must not be empty"):
        kind("")
