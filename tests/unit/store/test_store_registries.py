"""unqualified-search-registries."""

from pathlib import Path

from cri_shim.store.registries import search_registries


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
