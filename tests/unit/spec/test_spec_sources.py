"""Which sources of a document are replaced by places, and how they come back."""

from typing import Any

import pytest

from cri_shim.spec.sources import Source, bound, nested, redirected, restored


def mount(destination: str, source: str, *options: str, kind: str = "bind") -> dict[str, Any]:
    return {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": list(options or ("rbind", "rprivate")),
    }


PROC = mount("/proc", "proc", "nosuid", kind="proc")
OURS = mount("/etc/hosts", "/run/ours/hosts")
DATA = mount("/data", "/srv/data")


def places(number: int) -> str:
    return f"/run/places/{number}"


def test_only_bind_mounts_whose_sources_were_found_are_replaced() -> None:
    document: dict[str, Any] = {"mounts": [PROC, OURS, DATA], "process": {}}

    changed, sources = redirected(document, places, {"/srv/data": "/srv/real", "proc": "/x"})

    assert changed["mounts"] == [PROC, OURS, {**DATA, "source": "/run/places/0"}]
    assert sources == [Source("/run/places/0", "/srv/real", "private")]
    assert document["mounts"][2]["source"] == "/srv/data"


@pytest.mark.parametrize(
    ("options", "propagation"),
    [
        (("rbind",), "private"),
        (("rbind", "rprivate"), "private"),
        (("rbind", "rslave", "ro"), "slave"),
        (("bind", "rshared"), "shared"),
        (("rshared", "rbind", "rslave"), "slave"),
    ],
)
def test_a_place_has_the_propagation_of_its_mount(
    options: tuple[str, ...], propagation: str
) -> None:
    document = {"mounts": [mount("/data", "/srv", *options)]}

    _, (source,) = redirected(document, places, {"/srv": "/srv"})

    assert source.propagation == propagation


def test_a_mount_without_a_type_is_bound_by_its_options() -> None:
    by_option = {"destination": "/a", "source": "/b", "options": ["bind"]}

    assert bound({"mounts": [by_option, {"destination": "/c"}]}) == [by_option]
    assert bound({"mounts": None}) == []


def test_one_of_two_mounts_of_a_source_may_have_the_ids_of_the_pod() -> None:
    document = {"mounts": [DATA, mount("/other", "/srv/data")]}

    _, sources = redirected(document, places, {"/srv/data": "/srv/data"}, {("/srv/data", "/data")})

    assert [source.idmapped for source in sources] == [True, False]


def test_the_original_document_can_be_restored() -> None:
    document = {"mounts": [PROC, {"destination": "/x"}, OURS, DATA]}

    changed, sources = redirected(document, places, {"/srv/data": "/srv/data"})

    assert restored(changed, sources) == document
    assert restored(document, []) is document


def test_a_nested_path_belongs_to_its_nearest_mount() -> None:
    document = {
        "mounts": [PROC, DATA, mount("/data/a", "/a"), mount("/data/a/b/c", "/c"), OURS],
        "linux": {"devices": [{"path": "/data/dev/x"}, {"path": "/dev/fuse"}]},
    }

    assert nested(document, {}) == [(), ("a", "dev/x"), ("b/c",), (), ()]


def test_nested_paths_are_found_through_links_of_the_image() -> None:
    document = {"mounts": [DATA, mount("/link/sub/", "/a"), mount("/database", "/b")]}

    assert nested(document, {"/link/sub/": "/data/sub"}) == [("sub",), (), ()]


def test_nested_paths_belong_to_the_later_of_two_mounts_at_one_path() -> None:
    document = {"mounts": [DATA, mount("/data", "/later"), mount("/data/x", "/x")]}

    assert nested(document, {}) == [(), ("x",), ()]


def test_a_place_has_the_nested_paths_of_its_source() -> None:
    document = {"mounts": [DATA, mount("/data/sub", "/a")]}

    _, sources = redirected(document, places, {"/srv/data": "/srv/data"})

    assert [source.nested for source in sources] == [("sub",)]
