"""Findings: their text, their form as JSON, and the order of problems."""

import json
import logging

from cri_shim.problems import Finding, Level, problems

NFT = Finding("nft", Level.WARNING, "nft is missing", "install nftables", "nftables", "network.x")


def test_the_text_is_one_line_with_the_remedy_last() -> None:
    assert NFT.text == "nft is missing; install nftables"
    assert Finding("x", Level.OK, "fine").text == "fine"
    assert "\n" not in Finding("x", Level.NOTE, "evil\nline").text


def test_a_finding_survives_json() -> None:
    assert Finding.of(json.loads(json.dumps(NFT.facts()))) == NFT


def test_problems_are_without_what_is_all_right_and_the_worst_come_first() -> None:
    levels = (Level.NOTE, Level.OK, Level.FAILS, Level.WARNING)
    found = problems(Finding(str(level), level, "") for level in levels)
    assert [each.what for each in found] == ["fails", "warning", "note"]


def test_figures_that_change_do_not_make_another_problem() -> None:
    one, other = (Finding("space", Level.WARNING, f"{n} B free", varies=True) for n in (1, 2))
    assert one.identity == other.identity
    assert one.text != other.text


def test_notes_are_logged_as_information_and_all_worse_ones_as_warnings() -> None:
    assert Level.NOTE.of_log == logging.INFO
    assert {Level.WARNING.of_log, Level.FAILS.of_log} == {logging.WARNING}
