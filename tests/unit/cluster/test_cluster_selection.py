"""Which tests hack/cluster test runs."""

import pytest

from hack.clusterlib.__main__ import _selection

ALL = "tests/cluster"


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], [ALL]),
        (["-k", "probes"], ["-k", "probes", ALL]),
        (["--bounded"], ["-m", "bounded", ALL]),
        (["--bounded", "-x"], ["-m", "bounded", "-x", ALL]),
        (["pyproject.toml::test"], ["pyproject.toml::test"]),
        (["-x", "tests/cluster"], ["-x", "tests/cluster"]),
    ],
)
def test_the_tests_of_the_cluster_are_run_unless_others_are_named(
    words: list[str], arguments: list[str]
) -> None:
    assert _selection(words) == arguments
