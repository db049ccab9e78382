"""The line of an event fits the terminal; a pipe gets all of it."""

import argparse

import pytest

from cri_shim.cli import table
from cri_shim.cli.commands import events

EVENT: dict[str, str | int] = {
    "time": 1_735_689_605_250_000_000,
    "type": "created",
    "kind": "container",
    "id": "c" * 64,
    "name": "main",
    "pod": "web-with-a-long-name",
    "namespace": "kube-system",
}


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int | None,
    **event: str,
) -> str:
    monkeypatch.setattr(table, "terminal_width", lambda: width)
    events._show(argparse.Namespace(filter=[], output="table"), {**EVENT, **event})
    return capsys.readouterr().out.rstrip("\n")


def test_a_pipe_gets_time_and_id_in_full(monkeypatch, capsys) -> None:
    assert shown(monkeypatch, capsys, None) == (
        "2025-01-01T00:00:05.25Z        container created"
        f" kube-system/web-with-a-long-name/main {'c' * 64}"
    )


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_a_narrow_line_fits_and_has_the_beginning_of_the_id(
    monkeypatch, capsys, width: int
) -> None:
    line = shown(monkeypatch, capsys, width)
    assert len(line) <= width
    assert line.split()[1:3] == ["container", "created"]
    assert line.endswith(" " + "c" * 13)
    assert "kube-sy" in line


@pytest.mark.parametrize("width", [None, 60])
def test_a_name_cannot_change_the_terminal(monkeypatch, capsys, width: int | None) -> None:
    assert shown(monkeypatch, capsys, width, name="\x1b[31m" + "x" * 99).isprintable()
