"""A timeline as text: one line for each stage, at every width, and nothing foreign unescaped."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.cli import waterfall
from cri_shim.cli.waterfall import EMPTY, duration, lines
from cri_shim.timeline import Entry, Stage
from cri_shim.timeline.entry import FIRST_LINE
from cri_shim.timeline.facts import timeline
from tests.unit.timeline.made import POD_ID, entry

MAIN = "default/web/main"
START = [
    entry(
        "RunPodSandbox",
        0.0,
        4.0,
        Stage("namespaces", "", -1, 0.0, 1.0),
        Stage("network", "", -1, 1.0, 3.0),
        Stage("CNI bridge ADD", "", 1, 1.0, 2.0),
        Stage("CNI portmap ADD", "", 1, 3.0, 1.0),
    ),
    entry("StartContainer", 4.0, 4.0, kind="container", name=MAIN, failure="no such command"),
]


def drawn(entries: list[Entry], width: int = 80, unicode: bool = False) -> list[str]:
    return lines(facts_of(entries), width=width, unicode=unicode)


def facts_of(entries: list[Entry]) -> dict[str, Any]:
    return timeline(POD_ID, "default/web", entries)


def test_each_stage_has_a_line_with_its_time_and_its_bar() -> None:
    shown = drawn(START)
    assert shown[0] == "pod default/web (aaaaaaaaaaaa): its start took 8.00 s"
    assert shown[3:] == [
        "                         BEGIN       TOOK        OWN",
        "RunPodSandbox           0.0 ms     4.00 s     0.0 ms --------------",
        "  namespaces            0.0 ms     1.00 s     1.00 s ####",
        "  network               1.00 s     3.00 s     0.0 ms    -----------",
        "    CNI bridge ADD      1.00 s     2.00 s     2.00 s    ########",
        "    CNI portmap ADD     3.00 s     1.00 s     1.00 s           ####",
        "StartContainer main     4.00 s     4.00 s     4.00 s              ##############",
        "  failed: no such command",
    ]


@pytest.mark.parametrize("width", [40, 49, 50, 60, 79, 80, 100, 200])
@pytest.mark.parametrize("unicode", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    longest = entry(
        "RunPodSandbox", 0.0, 4e4, Stage("CNI " + "x" * 70 + " ADD", "", -1, 100.0, 3.9e4)
    )
    shown = drawn([longest], width, unicode)
    assert [line for line in shown[2:] if len(line) > width] == []
    assert any(("█" if unicode else "#") in line for line in shown)


def test_without_unicode_every_character_is_ascii() -> None:
    assert "".join(drawn([entry("RunPodSandbox", 0, 1, Stage("x" * 80, "", -1, 0, 1))])).isascii()


def test_a_long_pause_begins_a_section_with_a_scale_of_its_own() -> None:
    shown = drawn([*START, entry("StopPodSandbox", 1000.0, 1.0)])
    assert shown.count("") == 2
    assert shown[-1].startswith("StopPodSandbox ")
    assert shown[-1].endswith(" " + "#" * 27)


def test_a_late_first_line_does_not_make_the_start_small() -> None:
    late = entry(FIRST_LINE, 8.0, 200.0, kind="container", name=MAIN)
    shown = drawn([*START, late])
    assert shown[3:-1] == drawn(START)[3:]
    assert shown[-1].startswith("first log line main")
    assert "3m20s" in shown[-1]
    early = entry(FIRST_LINE, 7.0, 2.0, kind="container", name=MAIN)
    assert drawn([*START, early])[2].endswith(", 9.00 s")
    assert waterfall.FIRST_LINE == FIRST_LINE


def test_what_is_in_progress_says_what_it_waits_for() -> None:
    stage = Stage("CNI slow ADD", "CNI plugin slow", -1, 0.0, 3.0, open=True)
    now = Entry("RunPodSandbox", "pod", POD_ID, "default/web", 0.0, 3.0, open=True, stages=(stage,))
    assert [line.strip() for line in drawn([now]) if line[:2] == "  "][1:] == [
        "in progress",
        f"CNI slow ADD       0.0 ms     3.00 s     3.00 s {'#' * 30}",
        "waiting for CNI plugin slow",
    ]


def test_a_queue_says_for_what() -> None:
    holder = Stage("queue", "StopContainer of container default/web/main", -1, 0.0, 1.0)
    shown = drawn([entry("RemoveContainer", 0.0, 2.0, holder)])
    assert shown[-1] == "    for StopContainer of container default/web/main"


def test_stages_that_are_not_kept_are_counted() -> None:
    some = Entry("RunPodSandbox", "pod", POD_ID, "default/web", 0.0, 3.0, not_kept=7)
    assert drawn([some])[-1].strip() == "(7 stages are not kept)"


def test_a_pod_without_entries_says_so() -> None:
    assert drawn([])[1:] == [EMPTY]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"), (0.0004, "0.4 ms"), (0.012, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"),
        (99.99, "99.99 s"), (99.996, "1m40s"), (3600, "60m00s"), (36000, "10h0m"),
    ],
)  # fmt: skip
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.text(max_size=60), st.integers(40, 120))
def test_no_name_reaches_the_terminal_as_it_is(name: str, width: int) -> None:
    made = entry("StartContainer", 0.0, 1.0, Stage(name, name, -1, 0, 1), kind="container",
                 name=f"default/web/{name}", failure=name)  # fmt: skip
    document = timeline(POD_ID, name, [made])
    assert all(line.isprintable() for line in lines(document, width=width, unicode=True))
