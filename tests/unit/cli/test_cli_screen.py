"""Lines that are drawn again: over each other, as far as the terminal can do that."""

import io

import pytest

from cri_shim.cli import screen
from cri_shim.cli.screen import Screen, is_live


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_a_terminal_is_drawn_over_and_a_file_is_written_on() -> None:
    drawn, written = io.StringIO(), io.StringIO()
    live, plain = Screen(True, drawn), Screen(False, written)
    for lines in (["one", "two"], ["three"], ["three"]):
        live.draw(lines)
        plain.draw(lines)
    assert drawn.getvalue().count("\x1b[2A") == 1
    assert written.getvalue() == "one\ntwo\nthree\n"


def test_the_screen_is_cleared_when_the_terminal_has_another_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = io.StringIO()
    live = Screen(True, drawn)
    for columns in (80, 80, 10):
        monkeypatch.setattr(screen, "terminal_size", lambda columns=columns: (columns, 3))
        live.draw(["a line of twenty char", "two", "three"])
    assert drawn.getvalue().count("\x1b[2J") == 1
    assert drawn.getvalue().count("three") == 0
    assert drawn.getvalue().endswith("\r\x1b[Ka line of\n\r\x1b[Ktwo\n\x1b[J")


@pytest.mark.parametrize(
    ("terminal", "term", "live"),
    [(True, "xterm", True), (True, "dumb", False), (True, "", False), (False, "xterm", False)],
)
def test_only_a_terminal_with_a_cursor_is_live(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str, live: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    assert is_live(Stream(terminal)) is live
