"""registries.conf: tables, mirrors, aliases, drop-ins, and what is refused."""

from pathlib import Path

import pytest

from cri_shim.registry import registries_conf
from cri_shim.registry.registries_conf import Mirror, Registries, Table


def read(directory: Path, text: str, **drop_ins: str) -> Registries:
    file = directory / "registries.conf"
    file.write_text(text)
    for name, content in drop_ins.items():
        place = directory / "registries.conf.d"
        place.mkdir(exist_ok=True)
        (place / f"{name}.conf").write_text(content)
    return registries_conf.read(file)


def test_a_table_has_location_mirrors_and_flags(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
[[registry]]
prefix = "team.example/x"
location = "real.example/x"
insecure = true
[[registry.mirror]]
location = "one.example/"
insecure = true
[[registry.mirror]]
location = "two.example/y"
pull-from-mirror = "digest-only"
[[registry]]
location = "bad.example"
blocked = true
[[registry]]
prefix = "*.wild.example"
""",
    )

    mirrors = (Mirror("one.example", True), Mirror("two.example/y", False, "digest-only"))
    assert found.tables == {
        "team.example/x": Table("team.example/x", "real.example/x", True, False, mirrors),
        "bad.example": Table("bad.example", blocked=True),
        "*.wild.example": Table("*.wild.example"),
    }
    assert found.problems == []


def test_mirror_by_digest_only_is_for_all_mirrors_of_the_table(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[[registry]]\nlocation = "a.example"\nmirror-by-digest-only = true\n'
        '[[registry.mirror]]\nlocation = "m.example"\n',
    )

    (mirror,) = found.tables["a.example"].mirrors
    assert (mirror.serves(by_digest=True), mirror.serves(by_digest=False)) == (True, False)


def test_drop_ins_replace_lists_tables_and_single_aliases(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        'unqualified-search-registries = ["a.example"]\n[aliases]\none = "a.example/1"\n'
        'two = "a.example/2"\n',
        first='short-name-mode = "enforcing"\n[aliases]\none = "b.example/1"\ntwo = ""\n',
        second='unqualified-search-registries = ["b.example"]\ncredential-helpers = ["x"]\n',
    )

    assert found.search == ["b.example"]
    assert found.aliases == {"one": "b.example/1"}
    assert (found.mode, found.helpers) == ("enforcing", ["x"])
    assert [Path(name).name for name in found.files] == [
        "registries.conf", "first.conf", "second.conf",
    ]  # fmt: skip


def test_a_missing_file_has_nothing(tmp_path: Path) -> None:
    assert registries_conf.read(tmp_path / "none") == Registries()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not = [toml", "is not TOML"),
        ('[[registry]]\nblocked = "true"\nlocation = "a"', "blocked is not a boolean"),
        ("[[registry]]\nblocked = true", "has no location"),
        ('[[registry]]\nlocation = "https://a.example"', "must not have a scheme"),
        ('[[registry]]\nprefix = "a.example/x"', "has no location"),
        ('short-name-mode = "maybe"', "not one of"),
        ("unqualified-search-registries = [7]", "not text"),
        ("[aliases]\nx = 7", "the alias 'x' is not text"),
        ("registry = [1]", "not a list of tables"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true', "a mirror has no"),
        (
            '[[registry]]\nlocation = "a"\n[registries.block]\nregistries = ["b"]',
            "tables of both versions",
        ),
        (
            '[[registry]]\nlocation = "a"\nmirror-by-digest-only = true\n[[registry.mirror]]\n'
            'location = "b"\npull-from-mirror = "all"',
            "exclude each other",
        ),
    ],
)
def test_what_cannot_be_used_is_a_problem_with_the_file_s_name(
    tmp_path: Path, text: str, words: str
) -> None:
    (problem,) = read(tmp_path, text).problems

    assert str(tmp_path / "registries.conf") in problem
    assert words in problem


def test_the_user_s_own_file_comes_before_that_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert registries_conf.default_file() == registries_conf.DEFAULT_FILE

    own = tmp_path / "containers/registries.conf"
    own.parent.mkdir()
    own.touch()

    assert registries_conf.default_file() == own
