"""What a sigstore signature must say to count for an image."""

import base64
import json
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.registry.reference import parse
from cri_shim.store.manifest import compose
from cri_shim.store.trust import sigstore

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"


def payload(name: str, digest: str = DIGEST, **critical: Any) -> bytes:
    said = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
        **critical,
    }
    return json.dumps({"critical": said, "optional": None}).encode()


def problem(name: str, identity: dict[str, str], reference: str) -> str:
    return sigstore.problem(payload(name), identity, parse(reference), DIGEST)


NAME = "r.example:5000/team/app"
EXACT, REPOSITORY = {"type": "matchExact"}, {"type": "matchRepository"}
DIGEST_OR_EXACT = {"type": "matchRepoDigestOrExact"}


@pytest.mark.parametrize(
    ("claimed", "identity", "reference"),
    [
        (f"{NAME}:1", EXACT, f"{NAME}:1"),
        ("docker.io/library/busybox:latest", EXACT, "busybox"),
        (f"{NAME}@{DIGEST}", EXACT, f"{NAME}@{DIGEST}"),
        (f"{NAME}:1", DIGEST_OR_EXACT, f"{NAME}:1"),
        (f"{NAME}:2", DIGEST_OR_EXACT, f"{NAME}@{DIGEST}"),
        (NAME, REPOSITORY, f"{NAME}:1"),
        (f"{NAME}:2", REPOSITORY, f"{NAME}:1"),
        ("x.org/a:1", {"type": "exactReference", "dockerReference": "x.org/a:1"}, f"{NAME}:1"),
        ("x.org/a", {"type": "exactRepository", "dockerRepository": "x.org/a"}, f"{NAME}:1"),
    ],
)
def test_a_signature_of_the_name_counts(
    claimed: str, identity: dict[str, str], reference: str
) -> None:
    assert problem(claimed, identity, reference) == ""


@pytest.mark.parametrize(
    ("claimed", "identity", "reference"),
    [
        (NAME, EXACT, NAME),  # a name without a tag is none of latest
        (NAME, DIGEST_OR_EXACT, NAME),
        (f"{NAME}:2", EXACT, f"{NAME}:1"),
        (f"{NAME}:1", EXACT, f"{NAME}@{DIGEST}"),
        (f"{NAME}:2", DIGEST_OR_EXACT, f"{NAME}:1"),
        (f"{NAME}s:1", DIGEST_OR_EXACT, f"{NAME}@{DIGEST}"),
        (f"{NAME}/b:1", REPOSITORY, f"{NAME}:1"),
        ("UPPER", REPOSITORY, f"{NAME}:1"),
        ("x.org/a", {"type": "exactReference", "dockerReference": "x.org/a:1"}, f"{NAME}:1"),
        ("x.org/a:1", {"type": "exactReference", "dockerReference": "UPPER"}, f"{NAME}:1"),
        (f"{NAME}:1", {"type": "exactRepository", "dockerRepository": "x.org/a"}, f"{NAME}:1"),
        (f"{NAME}:1", {"type": "another"}, f"{NAME}:1"),
    ],
)
def test_a_signature_of_another_name_does_not(
    claimed: str, identity: dict[str, str], reference: str
) -> None:
    assert problem(claimed, identity, reference) == f"a signature is for the name {claimed}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (payload(f"{NAME}:1", OTHER), f"is for the digest {OTHER}"),
        (payload(f"{NAME}:1", type="atomic container signature"), "not one of a container image"),
        (payload(f"{NAME}:1", image=None), "has no usable payload"),
        (payload(f"{NAME}:1", identity=[]), "has no usable payload"),
        (b"[]", "has no usable payload"),
        (b"{", "has no usable payload"),
        (b'{"critical": 5}', "has no usable payload"),
    ],
)
def test_a_signature_of_something_else_does_not(said: bytes, words: str) -> None:
    assert words in sigstore.problem(said, EXACT, parse(f"{NAME}:1"), DIGEST)


def layer(**fields: Any) -> dict[str, Any]:
    signature = base64.b64encode(b"signed").decode()
    own = {"mediaType": TYPE, "digest": DIGEST, "size": 7, "annotations": {ANNOTATION: signature}}
    return {**own, **fields}


def test_signatures_are_read_and_other_layers_are_passed_over() -> None:
    attachment = compose(b"{}", [layer(), layer(mediaType="text/plain", annotations={})])
    (only,) = sigstore.signatures_of(attachment)
    assert (only.payload, only.signature) == (DIGEST, b"signed")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([layer(size=sigstore.MAX_PAYLOAD + 1)], "has a layer of more than"),
        ([layer()] * (sigstore.MOST_SIGNATURES + 1), "has 51 layers"),
        ([layer(annotations={})], "is not base64"),
        ([layer(annotations=[])], "is not base64"),
        ([layer(annotations={ANNOTATION: "?"})], "is not base64"),
        ([layer(digest="sha256:../../x")], "no valid sha256 digest"),
    ],
)
def test_a_damaged_attachment_is_refused(layers: list[dict[str, Any]], words: str) -> None:
    with pytest.raises((ValueError, ToolFailed), match=words):
        sigstore.signatures_of(compose(b"{}", layers))


def test_the_attachment_has_its_tag_in_the_same_repository() -> None:
    found = sigstore.attached_to(parse(f"{NAME}:1"), DIGEST)
    assert str(found) == f"{NAME}:sha256-{'a' * 64}.sig"
