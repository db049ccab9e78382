"""Indexes, manifests and descriptors."""

import base64
import json

import pytest

from cri_shim.registry import documents
from cri_shim.registry.failure import Failure

DIGEST = documents.digest_of(b"{}")


def parse(fields: object, content_type: str = "") -> documents.Document:
    return documents.parse(json.dumps(fields).encode(), content_type, "IMAGE")


@pytest.mark.parametrize("kind", [*documents.MANIFESTS, None, "application/octet-stream"])
def test_a_manifest_is_told_by_its_fields_and_type(kind: str | None) -> None:
    found = parse({"mediaType": kind, "config": {}, "layers": None})

    assert not found.is_index
    assert found.digest == documents.digest_of(found.data)


@pytest.mark.parametrize("kind", [*documents.INDEXES, None])
def test_an_index_is_told_by_its_fields_and_type(kind: str | None) -> None:
    assert parse({"mediaType": kind, "manifests": []}).is_index


@pytest.mark.parametrize(
    ("fields", "content_type", "kind", "words"),
    [
        ([], "", "invalid", "not a JSON object"),
        ({"manifests": [], "layers": []}, "", "invalid", "at once"),
        ({"manifests": [], "config": {}}, "", "invalid", "at once"),
        ({"schemaVersion": 1, "fsLayers": []}, "", "unsupported", "schema 1"),
        (
            {"fsLayers": []},
            "application/vnd.docker.distribution.manifest.v1+prettyjws; charset=utf-8",
            "unsupported",
            "schema 1",
        ),
        ({}, "", "unsupported", "not a container image"),
        ({"blobs": []}, "application/vnd.x+json", "unsupported", "application/vnd.x"),
        ({"mediaType": documents.INDEXES[0], "config": {}}, "", "unsupported", "not a container"),
        ({"manifests": []}, documents.MANIFESTS[0], "unsupported", "not a container"),
    ],
)
def test_other_documents_are_refused_by_name(
    fields: object, content_type: str, kind: str, words: str
) -> None:
    with pytest.raises(Failure, match=words) as e:
        parse(fields, content_type)

    assert e.value.kind == kind
    assert "IMAGE" in e.value.message


def test_what_is_no_json_or_a_huge_manifest_is_refused() -> None:
    with pytest.raises(Failure, match="not JSON"):
        documents.parse(b"<html>", "", "IMAGE")
    with pytest.raises(Failure, match="more than 4194304"):
        parse({"config": "x" * documents.MAX_MANIFEST})


def test_the_entries_of_an_index_are_objects() -> None:
    assert documents.entries(parse({"manifests": None}), "IMAGE") == []
    wrong: list[object] = [{}, [1], "x"]
    for value in wrong:
        with pytest.raises(Failure, match="no valid list"):
            documents.entries(parse({"manifests": value}), "IMAGE")


def test_a_descriptor_may_have_its_content_inside() -> None:
    def inside(data: str) -> bytes | None:
        value = {"digest": DIGEST, "size": 2, "data": data}
        return documents.descriptor(value, "IT", 100).data

    assert inside(base64.b64encode(b"{}").decode()) == b"{}"
    assert inside(base64.b64encode(b"other").decode()) is None
    assert inside("%") is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "digest"),
        ({"digest": "md5:1", "size": 1}, "digest"),
        ({"digest": DIGEST.upper(), "size": 1}, "digest"),
        ({"digest": DIGEST}, "size"),
        ({"digest": DIGEST, "size": -1}, "size"),
        ({"digest": DIGEST, "size": True}, "size"),
        ({"digest": DIGEST, "size": 101}, "at most 100"),
    ],
)
def test_a_bad_descriptor_is_refused(value: object, words: str) -> None:
    with pytest.raises(Failure, match=words):
        documents.descriptor(value, "IT", 100)
