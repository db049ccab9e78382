"""Signatures as cosign makes them: what one says, and whether that is the image; pure.

A signature of an image is an attachment: an image under the tag sha256-HEX.sig of its repository.
Each layer of that is one payload, in JSON, with its signature in an annotation.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.registry.reference import Reference, parse
from cri_shim.store import manifest
from cri_shim.untrusted import parse_json, printable

MAX_PAYLOAD = 1 << 20  # bytes
MOST_SIGNATURES = 50  # of one image
_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_ANNOTATION = "dev.cosignproject.cosign/signature"
_TAGGED = re.compile(r":[^/:@]+(?:@|$)|@")


@dataclass(frozen=True, slots=True)
class Signature:
    payload: str  # the digest of the payload's blob
    signature: bytes


def attached_to(reference: Reference, digest: str) -> Reference:
    """Return the name of the signatures of the image `digest`."""
    return Reference(reference.registry, reference.path, f"{digest.replace(':', '-')}.sig")


def signatures_of(attachment: bytes) -> list[Signature]:
    """Return the signatures in a manifest; ToolFailed or ValueError if it is damaged."""
    layers = manifest.descriptors_of(attachment)
    found = [layer for layer in layers if layer.get("mediaType") == _TYPE]
    if len(layers) > MOST_SIGNATURES:
        raise ValueError(f"has {len(layers)} layers, at most {MOST_SIGNATURES} are read")
    if any(int(layer["size"]) > MAX_PAYLOAD for layer in layers):
        raise ValueError(f"has a layer of more than {MAX_PAYLOAD} bytes")
    return [Signature(str(layer["digest"]), _signature(layer)) for layer in found]


def _signature(layer: Mapping[str, Any]) -> bytes:
    annotations = layer.get("annotations")
    text = annotations.get(_ANNOTATION) if isinstance(annotations, dict) else None
    try:
        return base64.b64decode(text or "?", validate=True)
    except (binascii.Error, TypeError, ValueError) as e:
        raise ValueError(f"has a layer whose {_ANNOTATION} is not base64") from e


def problem(payload: bytes, identity: Mapping[str, Any], reference: Reference, digest: str) -> str:
    """Return why a payload is not about the image, as a `signedIdentity` wants it; "" if it is."""
    try:
        critical = parse_json(payload)["critical"]
        kind, signed = critical["type"], critical["image"]["docker-manifest-digest"]
        name = critical["identity"]["docker-reference"]
    except (ValueError, LookupError, TypeError):
        return "a signature has no usable payload"
    if kind != "cosign container image signature":
        return f"a signature is a {printable(kind, 100)}, not one of a container image"
    if signed != digest:
        return f"a signature is for the digest {printable(signed, 100)}"
    if not _matches(identity, str(name), reference):
        return f"a signature is for the name {printable(name)}"
    return ""


def _matches(identity: Mapping[str, Any], claimed: str, reference: Reference) -> bool:
    """Return whether a signature's name is the one wanted; see containers-policy.json(5)."""
    try:
        signed = parse(claimed)
        exact = _TAGGED.search(claimed) is not None
        match identity["type"]:
            case "exactReference":
                return exact and signed == parse(identity["dockerReference"])
            case "exactRepository":
                return signed.repository == parse(identity["dockerRepository"]).repository
            case "matchRepository":
                return signed.repository == reference.repository
            case "matchExact":
                return exact and signed == reference
            case "matchRepoDigestOrExact" if reference.digest:
                return signed.repository == reference.repository
            case "matchRepoDigestOrExact":
                return exact and signed == reference
    except InvalidArgument:
        pass
    return False
