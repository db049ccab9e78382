"""The ids that an unprivileged user may use, from the lines of /etc/subuid and /etc/subgid."""

from pathlib import Path

import pytest

from cri_shim.errors import RootlessError
from cri_shim.rootless.mapping import Mapping, Range, arguments, of_user, ranges


def test_a_user_is_found_by_name_and_by_number() -> None:
    text = "ann:100000:65536\n1001:300000:10\nbob:165536:65536\n"
    assert ranges(text, "ann", 1001) == [Range(100000, 65536), Range(300000, 10)]


def test_a_name_with_the_same_prefix_is_another_user() -> None:
    assert ranges("anna:100000:65536\n10011:1:1\n", "ann", 1001) == []


@pytest.mark.parametrize(
    "line",
    ["", "ann", "ann:1", "ann::5", "ann:x:5", "ann:5:", "ann:-1:5", "ann:1:0", ":1:5", "# x"],
)
def test_a_malformed_line_is_skipped(line: str) -> None:
    assert ranges(f"{line}\nann:7:9\n", "ann", 1001) == [Range(7, 9)]


def test_a_repeated_range_counts_once() -> None:
    assert ranges("ann:7:9\n1001:7:9\n", "ann", 1001) == [Range(7, 9)]


def test_the_user_is_root_inside_and_its_ranges_follow_one_another() -> None:
    told = arguments(1001, [Range(100000, 10), Range(500000, 5)])
    assert " ".join(told) == "0 1001 1 1 100000 10 11 500000 5"


def test_users_and_groups_have_their_own_ranges(tmp_path: Path) -> None:
    subuid, subgid = tmp_path / "subuid", tmp_path / "subgid"
    subuid.write_text("ann:100000:10\n")
    subgid.write_text("ann:200000:20\n")
    found = of_user(1001, 1002, "ann", subuid=subuid, subgid=subgid)
    assert found == Mapping(
        ("0", "1001", "1", "1", "100000", "10"), ("0", "1002", "1", "1", "200000", "20")
    )


@pytest.mark.parametrize("missing", ["subuid", "subgid"])
def test_the_error_of_missing_ranges_has_a_remedy_for_root(tmp_path: Path, missing: str) -> None:
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text("bob:100000:65536\nann:165536:65536\n")
    (tmp_path / missing).write_text("bob:100000:65536\n")
    said = rf"user ann \(1001\) has no ids in .*{missing}.*usermod --add-{missing}s 165536-231071"
    with pytest.raises(RootlessError, match=said):
        of_user(1001, 1001, "ann", subuid=tmp_path / "subuid", subgid=tmp_path / "subgid")


def test_a_machine_without_the_files_gives_the_first_range_that_useradd_would(
    tmp_path: Path,
) -> None:
    nowhere = tmp_path / "none"
    with pytest.raises(RootlessError, match="usermod --add-subuids 100000-165535 ann"):
        of_user(1001, 1001, "ann", subuid=nowhere, subgid=nowhere)
