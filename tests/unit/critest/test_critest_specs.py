"""Each of critest's specs has a test of ours, which runs where there is no critest.

tests/conformance/specs.tsv says which; `-` is for specs of what is not served. Those that need a
node with AppArmor have the choice of a profile and the document that names it. A spec of a newer
critest shows up in docs/conformance.md first, and then is missed here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
REPORT = TESTS.parent / "docs/conformance.md"
NOT_SERVED = {"nri_linux.go"}


def rows() -> list[list[str]]:
    """File of critest, spec, test of ours."""
    lines = (TESTS / "conformance/specs.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines[1:]]


def plain(spec: str) -> str:
    """The words of a spec as it is reported, without its labels."""
    return spec.replace("\\|", "|").removeprefix("[k8s.io] ").replace(" [Conformance]", "")


def reported() -> Iterator[str]:
    """Every spec of critest that docs/conformance.md has a line for."""
    table = REPORT.read_text().partition("\n## Every spec\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if line.startswith("| [k8s.io] "):
            yield plain(line.removeprefix("| ").split(" | ")[0])


def functions(file: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (\w+)", file.read_text(), re.MULTILINE))


def test_the_table_has_every_spec_that_critest_reports_once() -> None:
    specs = [plain(spec) for _, spec, _ in rows()]

    assert sorted(specs) == sorted(reported())


def test_every_spec_has_a_test_of_ours_that_exists() -> None:
    missing = [
        f"{spec}: {test}"
        for file, spec, test in rows()
        if file not in NOT_SERVED
        and test.partition("::")[2] not in functions(TESTS / test.partition("::")[0])
    ]

    assert missing == []


def test_only_what_is_not_served_has_none() -> None:
    assert {file for file, _, test in rows() if test == "-"} == NOT_SERVED
