"""Image names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import InvalidImageName
from cri_shim.registry.reference import candidates, id_prefix, parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("user/app", "docker.io/user/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("quay.io/a/b:c", "quay.io/a/b:c"),
        ("localhost/a", "localhost/a:latest"),
        ("host:5000/a", "host:5000/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}"),
        ("a/b__c.d-e/f", "docker.io/a/b__c.d-e/f:latest"),
    ],
)
def test_names_are_qualified_as_docker_does(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a:", "UPPER", "a//b", "/a", "a/", "a b", "-a", "a@sha256:12", "a@", "a:b:c",
     "a:" + "t" * 129, "x" * 300, "a" * 64, "docker://busybox", "a\n", "../a"],
)  # fmt: skip
def test_what_is_no_name_is_refused_without_the_path_of_a_field(text: str) -> None:
    with pytest.raises(
        InvalidImageName, match=r"^('.*' is not an image name: |image name is empty)"
    ):
        parse(text)


def test_a_short_name_is_looked_for_in_each_registry_in_order() -> None:
    found = candidates("team/app:1", ["a.example", "docker.io"])

    assert list(map(str, found)) == ["a.example/team/app:1", "docker.io/team/app:1"]
    assert list(map(str, candidates("b.example/app", ["a.example"]))) == ["b.example/app:latest"]


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("a" * 64, "a" * 64), (DIGEST, "a" * 64), ("abcd", "abcd"), ("abc", ""), ("busybox", "")],
)
def test_ids_and_prefixes_are_told_from_names(text: str, prefix: str) -> None:
    assert id_prefix(text) == prefix


@given(st.text(max_size=40))
def test_whatever_is_accepted_means_itself_when_qualified(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidImageName:
        return
    assert parse(str(reference)) == reference
