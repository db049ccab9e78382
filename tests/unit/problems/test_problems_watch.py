"""Two looks at one thing: the daemon's problem counts, then any problem, then the daemon's word."""

import pytest

from cri_shim.problems import Finding, Level
from cri_shim.problems.watch import merged


@pytest.mark.parametrize(
    ("node", "daemon", "expected"),
    [
        (Level.OK, Level.OK, "daemon"),
        (Level.WARNING, Level.OK, "node"),
        (Level.OK, Level.WARNING, "daemon"),
        (Level.WARNING, Level.WARNING, "daemon"),
    ],
)
def test_one_thing_has_one_finding(node: Level, daemon: Level, expected: str) -> None:
    found = merged([Finding("nft", node, "node")], [Finding("nft", daemon, "daemon")])
    assert [each.sentence for each in found] == [expected]


def test_different_things_are_all_there() -> None:
    found = merged([Finding("a", Level.OK, "")], [Finding("b", Level.OK, "")])
    assert [each.what for each in found] == ["a", "b"]
