"""Tables: every column at its whole width, or what fits a terminal."""

import pytest

from cri_shim.cli import table
from cri_shim.cli.table import Column

ID = "0123456789abc"
ROW = {"id": ID, "image": "registry.example/shop/front:1.2", "state": "Running", "pod": "web"}
COLUMNS: list[Column[dict[str, str]]] = [
    Column("ID", lambda row: row["id"]),
    Column("IMAGE", lambda row: row["image"], rank=2, cut=True),
    Column("STATE", lambda row: row["state"]),
    Column("POD", lambda row: row["pod"], rank=1, cut=True),
]


def test_without_a_terminal_every_column_is_whole() -> None:
    assert table.lines(COLUMNS, [ROW]) == [
        f"{'ID':13}   {'IMAGE':31}   {'STATE':7}   POD",
        f"{ID}   {ROW['image']}   Running   web",
    ]


def test_the_head_can_be_left_out() -> None:
    assert table.lines(COLUMNS, [ROW], headers=False) == [f"{ID}   {ROW['image']}   Running   web"]


def test_a_table_without_rows_is_its_head() -> None:
    assert table.lines(COLUMNS, []) == ["ID   IMAGE   STATE   POD"]
    assert table.lines(COLUMNS, [], headers=False) == []


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (200, f"{ID}   {ROW['image']}   Running   web"),
        (60, f"{ID}  {ROW['image']}  Running  web"),
        (56, f"{ID}  registry.example/shop/fron…  Running  web"),
        (40, f"{ID}  Running  web"),
        (24, f"{ID}  Running"),
        (10, f"{ID}  Running"),
    ],
)
def test_a_narrow_terminal_gets_the_important_columns(
    width: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Utf8:
        encoding = "utf-8"

    monkeypatch.setattr("sys.stdout", Utf8())
    assert table.lines(COLUMNS, [ROW], width=width, headers=False) == [line]


@pytest.mark.parametrize("width", range(16, 90))
def test_no_line_is_wider_than_the_terminal_and_no_id_is_cut(width: int) -> None:
    long = {key: value * 3 for key, value in ROW.items()} | {"id": ID, "state": "x"}
    for line in table.lines(COLUMNS, [ROW, long], width=max(width, 22)):
        assert len(line) <= max(width, 22)
    assert ID in table.lines(COLUMNS, [ROW], width=width)[1]


def test_no_name_in_a_table_moves_the_cursor_or_begins_a_line() -> None:
    columns: list[Column[list[str]]] = [
        Column("NAME", lambda row: row[0]),
        Column("LAST", lambda row: row[1]),
    ]
    lines = table.lines(columns, [["\x1b[2J", "a\nb"], ["\x9b31m", "\u202e"]])
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[2J" in lines[1]


def test_a_long_text_is_wrapped_at_words_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "warning: versions: crun 1.8.1: install CVE-2026-47766"
    monkeypatch.setattr(table, "terminal_width", lambda: None)
    assert table.wrapped(text) == text
    monkeypatch.setattr(table, "terminal_width", lambda: 30)
    assert table.wrapped(text).splitlines() == [
        "warning: versions: crun 1.8.1:",
        "  install CVE-2026-47766",
    ]
