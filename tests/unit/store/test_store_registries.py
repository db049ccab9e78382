"""unqualified-search-registries."""

from pathlib import Path

import pytest

from cri_shim.store.registries import allows_plain, overview, search_registries


def test_the_list_is_read_and_a_missing_file_has_none(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text('unqualified-search-registries = ["a.example", "b.example"]\n')

    assert search_registries(file) == ["a.example", "b.example"]
    assert search_registries(tmp_path / "none") == []


def test_the_last_drop_in_wins(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text('unqualified-search-registries = ["a.example"]\n')
    drop_ins = tmp_path / "registries.conf.d"
    drop_ins.mkdir()
    (drop_ins / "1.conf").write_text('unqualified-search-registries = ["b.example"]\n')
    (drop_ins / "2.conf").write_text("[aliases]\n")

    assert search_registries(file) == ["b.example"]


def test_a_file_that_cannot_be_read_is_no_end_of_the_world(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text("not = [toml")

    assert search_registries(file) == []


def test_the_overview_has_insecure_blocked_and_mirrored_registries(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text("""
unqualified-search-registries = ["a.example"]
[[registry]]
location = "plain.example"
insecure = true
[[registry]]
prefix = "team.example/x"
location = "real.example/x"
[[registry.mirror]]
location = "one.example"
[[registry.mirror]]
location = "two.example"
[[registry]]
location = "bad.example"
blocked = true
""")
    (tmp_path / "registries.conf.d").mkdir()
    (tmp_path / "registries.conf.d/1.conf").write_text("""
[[registry]]
location = "bad.example"
blocked = false
""")
    (tmp_path / "registries.conf.d/2.conf").write_text("not = [toml")

    found = overview(file)

    assert (found.search, found.insecure, found.blocked) == (["a.example"], ["plain.example"], [])
    assert found.mirrors == {"team.example/x": ["one.example", "two.example"]}
    assert [Path(name).name for name in found.files] == ["registries.conf", "1.conf"]
    assert len(found.problems) == 1
    assert "2.conf is not used" in found.problems[0]


def test_the_form_of_2018_is_read(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text("""
[registries.search]
registries = ["a.example", "b.example"]
[registries.insecure]
registries = ["plain.example"]
[registries.block]
registries = ["bad.example", "plain.example"]
""")

    found = overview(file)

    assert search_registries(file) == found.search == ["a.example", "b.example"]
    assert found.insecure == ["plain.example"]
    assert found.blocked == ["plain.example", "bad.example"]


def test_a_value_of_a_wrong_type_is_a_problem_and_not_used(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text('registry = "x"\nregistries = 7\nunqualified-search-registries = "y"\n')

    found = overview(file)

    assert (found.search, found.insecure, found.mirrors) == ([], [], {})
    assert [problem.partition(": ")[2] for problem in found.problems] == [
        "registries is not a table",
        "unqualified-search-registries is not a list",
        "registry is not a list",
    ]


@pytest.mark.parametrize(
    "registry", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"]
)
def test_a_registry_of_the_loopback_interface_needs_no_entry_to_be_plain(
    tmp_path: Path, registry: str
) -> None:
    assert allows_plain(registry, tmp_path / "none")


@pytest.mark.parametrize(
    "registry", ["a.example", "localhost.example:5000", "10.0.0.1:5000", "[::2]:5000", "128.0.0.1"]
)
def test_no_other_registry_is_plain_without_an_entry(tmp_path: Path, registry: str) -> None:
    assert not allows_plain(registry, tmp_path / "none")


def test_an_entry_for_a_registry_of_the_loopback_interface_decides(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text("""
[[registry]]
location = "localhost:5000/team"
insecure = false
""")

    assert not allows_plain("localhost:5000", file)
    assert allows_plain("localhost:5001", file)
