"""What names mean by registries.conf."""

import pytest

from cri_shim.registry.failure import Failure
from cri_shim.registry.names import Location, find, locations, meanings, on_loopback
from cri_shim.registry.reference import parse, short_name
from cri_shim.registry.registries_conf import Mirror, Registries, Table

DIGEST = "sha256:" + "0" * 64


def conf(*tables: Table, **values: object) -> Registries:
    return Registries(tables={table.prefix: table for table in tables}, **values)  # type: ignore[arg-type]


def places(name: str, *tables: Table) -> list[str]:
    return [f"{place.registry}/{place.path}" for place in locations(parse(name), conf(*tables))]


@pytest.mark.parametrize(
    ("prefix", "name", "matches"),
    [
        ("a.example", "a.example/x", True),
        ("a.example", "a.example:5000/x", False),
        ("a.example", "a.example.org/x", False),
        ("a.example/te", "a.example/team/x", False),
        ("a.example/team", "a.example/team/x", True),
        ("a.example/team/x", "a.example/team/x:1", True),
        ("a.example/team/x:1", "a.example/team/x:1", True),
        ("a.example/team/x:1", "a.example/team/x:12", False),
        (f"a.example/x@{DIGEST}", f"a.example/x@{DIGEST}", True),
        ("*.example", "a.example/x", True),
        ("*.example", "b.a.example:5000/x", True),
        ("*.example:5000", "a.example:5000/x", True),
        ("*.example:5000", "a.example/x", False),
        ("*.example", "example/x", False),
        ("*.example", "a.example.org/x", False),
    ],
)
def test_a_prefix_matches_whole_parts_of_names(prefix: str, name: str, matches: bool) -> None:
    assert (find(parse(name), conf(Table(prefix))) is not None) == matches


def test_the_longest_prefix_counts() -> None:
    tables = [Table("*.example"), Table("a.example/x/y"), Table("a.example/x")]

    found = find(parse("a.example/x/y/z"), conf(*tables))

    assert found == Table("a.example/x/y")


@pytest.mark.parametrize(
    ("table", "name", "place"),
    [
        (Table("a.example", "b.example:5000/all"), "a.example/x/y:1", "b.example:5000/all/x/y"),
        (Table("a.example/x", "b.example"), "a.example/x/y:1", "b.example/y"),
        (Table("a.example/x/y", "b.example/z"), "a.example/x/y:1", "b.example/z"),
        (Table("*.example", "b.test/all"), "a.example:5000/x", "b.test/all/x"),
        (Table("*.example"), "a.example/x", "a.example/x"),
        (Table("docker.io", "b.example"), "busybox", "b.example/library/busybox"),
    ],
)
def test_a_location_replaces_the_prefix(table: Table, name: str, place: str) -> None:
    assert places(name, table) == [place]


def test_mirrors_come_before_the_registry_in_their_order() -> None:
    mirrors = (Mirror("m.example/1"), Mirror("n.example", pulls="digest-only"))
    table = Table("a.example", mirrors=mirrors)

    assert places("a.example/x:1", table) == ["m.example/1/x", "a.example/x"]
    assert places(f"a.example/x@{DIGEST}", table) == ["m.example/1/x", "n.example/x", "a.example/x"]


def test_a_blocked_name_is_denied() -> None:
    with pytest.raises(Failure, match=r"blocks a\.example") as e:
        places("a.example/x", Table("a.example", blocked=True))

    assert e.value.kind == "denied"


def test_a_registry_of_the_loopback_interface_is_insecure_unless_an_entry_decides() -> None:
    reference = parse("127.0.0.1:5000/x")

    assert locations(reference, conf()) == [Location("127.0.0.1:5000", "x", True, True)]
    assert locations(reference, conf(Table("127.0.0.1:5000")))[0].insecure is False
    assert on_loopback("[::1]")
    assert not on_loopback("localhost.example")


def test_a_short_name_has_a_meaning_for_each_search_registry() -> None:
    found = meanings("x:1", conf(search=["a.example", "b.example"]))

    assert [str(reference) for reference in found] == ["a.example/x:1", "b.example/x:1"]
    assert [str(reference) for reference in meanings("x", conf())] == ["docker.io/library/x:latest"]


@pytest.mark.parametrize("end", ["", ":1", f"@{DIGEST}"])
def test_an_alias_stands_for_a_short_name_with_its_tag_or_digest(end: str) -> None:
    known = conf(aliases={"team/x": "a.example/y"}, search=["b.example"])

    (found,) = meanings(f"team/x{end}", known)

    assert str(found) == f"a.example/y{end or ':latest'}"
    assert str(meanings("c.example/team/x", known)[0]) == "c.example/team/x:latest"


def test_an_ambiguous_short_name_is_refused_if_that_is_enforced() -> None:
    known = conf(mode="enforcing", search=["a.example", "b.example"])

    with pytest.raises(Failure, match=r"a\.example, b\.example") as e:
        meanings("x", known)

    assert e.value.kind == "argument"
    assert len(meanings("x", conf(mode="enforcing", search=["a.example"]))) == 1
    assert len(meanings("a.example/x", known)) == 1


def test_a_bad_name_is_an_argument() -> None:
    with pytest.raises(Failure, match="not an image name") as e:
        meanings("A B", conf())

    assert e.value.kind == "argument"


def test_a_short_name_is_told_from_a_full_one() -> None:
    assert short_name("x/y:1") == "x/y"
    assert short_name(f"x@{DIGEST}") == "x"
    assert short_name("a.example/x") == short_name("localhost/x") == ""
