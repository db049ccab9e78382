"""The line and the table of `check` about the records, and its exit code."""

import json
from typing import Any

import pytest

from cri_shim.activity import Subject
from cri_shim.cli.command_line import parser
from cri_shim.cli.commands import check
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.problems import Finding, Level


def difference(result: str = "", repair: str = "unmounts it") -> dict[str, Any]:
    subject = Subject("pod", "shop/web", "a" * 64)
    found = Difference("mount", Sort.LEFTOVER, subject, "/run/x", "a mount", repair)
    return found.facts() | {"result": result}


def of(*differences: dict[str, Any], problems: tuple[str, ...] = ()) -> Finding:
    return check.records({"differences": list(differences), "problems": list(problems)})


def test_records_that_agree_are_all_right() -> None:
    assert of() == Finding("records", Level.OK, "agree with the node")
    assert of(difference("repaired")).sentence == "1 difference was repaired"


def test_differences_say_how_many_can_be_mended() -> None:
    finding = of(difference(), difference(repair=""), difference("repaired"))

    assert finding.level is Level.WARNING
    assert finding.sentence == "1 difference was repaired; differ from the node in 2 places"
    assert finding.remedy == "cri-shim check --repair repairs 1 of them"


def test_what_could_not_be_compared_is_a_warning() -> None:
    assert of(problems=("mounts could not be compared: no",)).level is Level.WARNING


@pytest.mark.parametrize(("result", "code"), [("", 1), ("repaired", 0), ("it is still there", 1)])
def test_the_exit_code_tells_whether_a_difference_is_left(
    result: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser().parse_args(["check"])

    assert check.show(args, [], [difference(result)]) == code
    out = capsys.readouterr().out
    assert "mount        leftover   pod shop/web (aaaaaaaaaaaa)   -       /run/x" in out
    assert (result or "unmounts it") in out


def test_json_has_the_fields_of_a_finding_for_each_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = parser().parse_args(["check", "--json"])
    check.show(args, [Finding("x", Level.OK, "good")], [difference()])
    first, second = json.loads(capsys.readouterr().out)

    assert first.keys() <= second.keys()
    assert (second["what"], second["level"], second["class"]) == ("difference", "warning", "mount")
