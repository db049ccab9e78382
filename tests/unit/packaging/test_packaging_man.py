"""The manual pages hold every command and every key, in valid roff."""

import argparse

from cri_shim.cli.command_line import parser
from cri_shim.config.schema import KEYS
from hack.deblib import man


def shown(page: str) -> str:
    return page.replace("\\-", "-")


def test_the_manual_of_the_program_has_every_command() -> None:
    page = shown(man.program("1.2.3"))
    (commands,) = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    for name in commands.choices:
        assert f'.SS "cri-shim {name}"' in page


def test_the_manual_of_the_program_has_commands_below_a_command() -> None:
    assert '.SS "cri-shim image pull"' in shown(man.program("1.2.3"))


def test_the_manual_of_the_configuration_has_every_key_with_its_meaning() -> None:
    page = shown(man.configuration("1.2.3"))
    for name, key in KEYS.items():
        assert f"\\fB{name.rpartition('.')[2]} = " in page, name
        assert key.doc.split(";")[0].split('"')[0] in page, name


def test_no_line_of_a_page_is_taken_for_a_request_by_accident() -> None:
    requests = {".TH", ".SH", ".SS", ".TP", ".B", ".ad"}
    for page in (man.program("1.2.3"), man.configuration("1.2.3")):
        for line in page.splitlines():
            assert not line.startswith("'")
            assert not line.startswith(".") or line.split()[0] in requests


def test_text_that_roff_would_change_is_escaped() -> None:
    assert man._escaped("a-b\\n") == "a\\-b\\en"
    assert man._escaped(".B x") == "\\&.B x"
