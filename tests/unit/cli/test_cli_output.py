"""One convention of output for every command that prints objects."""

import argparse
import json
from typing import Any

import pytest
import yaml

from cri_shim.cli import output
from cri_shim.cli.command_line import parser
from cri_shim.cli.table import Column
from cri_shim.cli.usage import Commands

ROWS = [{"id": "a" * 20, "name": "web"}, {"id": "b" * 20, "name": "db"}]
COLUMNS: list[Column[dict[str, str]]] = [
    Column("ID", lambda row: row["id"][:13]),
    Column("NAME", lambda row: row["name"]),
    Column("WHOLE", lambda row: row["id"], wide=True),
]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    flags = argparse.ArgumentParser()
    output.add(flags)
    output.show(
        flags.parse_args(words),
        ROWS,
        COLUMNS,
        document=lambda: {"items": ROWS},
        id=lambda row: row["id"],
        name=lambda row: f"default/{row['name']}",
    )
    return capsys.readouterr().out


def test_a_list_is_a_table_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys) == f"ID              NAME\n{'a' * 13}   web\n{'b' * 13}   db\n"


def test_wide_has_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, _ = printed(capsys, "-o", "wide").splitlines()
    assert head.split() == ["ID", "NAME", "WHOLE"]
    assert first.split() == ["a" * 13, "web", "a" * 20]


def test_without_headers_only_rows_are_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--no-headers").splitlines()[0].split() == ["a" * 13, "web"]


def test_quiet_prints_full_ids_and_name_prints_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "-q") == f"{'a' * 20}\n{'b' * 20}\n"
    assert printed(capsys, "-o", "name") == "default/web\ndefault/db\n"


def test_json_yaml_and_a_template_show_the_same_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert json.loads(printed(capsys, "-o", "json")) == {"items": ROWS}
    assert yaml.safe_load(printed(capsys, "-o", "yaml")) == {"items": ROWS}
    text = "{{range .items}}{{.name}}\\n{{end}}"
    assert printed(capsys, "-o", f"go-template={text}") == "web\ndb\n"


@pytest.mark.parametrize("format", ["xml", "go-template", "go-template=", "TABLE", ""])
def test_other_formats_are_refused_with_the_known_ones(
    format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = argparse.ArgumentParser()
    output.add_object(flags)
    if format == "go-template=":  # an empty template prints nothing
        assert flags.parse_args(["-o", format]).output == format
        return
    with pytest.raises(SystemExit):
        flags.parse_args(["-o", format])
    assert "must be one of table, json, yaml, go-template=TEMPLATE" in capsys.readouterr().err


def test_a_wrong_template_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        parser().parse_args(["ps", "-o", "go-template={{range .containers}}"])
    assert exit.value.code == 2
    assert "range has no end" in capsys.readouterr().err


def _printing(of: argparse.ArgumentParser) -> list[Any]:
    """Return the parsers of the commands below that have -o."""
    found = []
    for action in of._actions:
        if isinstance(action, Commands):
            found += [p for sub in action.choices.values() for p in [sub, *_printing(sub)]]
    return [p for p in found if "--output" in p._option_string_actions and p.prog not in _OTHER]


# export and report write a file; events and the audit record are lines without an end.
_OTHER = ("cri-shim export", "cri-shim report", "cri-shim events", "cri-shim audit")


def test_every_command_that_prints_objects_has_the_same_formats() -> None:
    parsers = _printing(parser())
    assert len(parsers) >= 7
    for one in parsers:
        words = one._option_string_actions["--output"].type.words
        assert {"json", "yaml", "go-template="} <= set(words), one.prog
