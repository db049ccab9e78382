"""The lines that the daemon writes: a request, then blobs to fetch or to cancel; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cri_shim.registry.failure import Failure
from cri_shim.untrusted import parse_json

MAX_LINE = 1 << 20  # bytes
MAX_THREADS = 64
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Request:
    image: str
    auth: Mapping[str, Any] | None = field(repr=False)
    registries_conf: str
    auth_file: str
    certs_dirs: tuple[str, ...]
    hosts_dirs: tuple[str, ...]
    architecture: str
    patience: float  # seconds; 0: no limit
    layers_at_once: int
    blobs: str  # directory


@dataclass(frozen=True, slots=True)
class Fetch:
    digest: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    digest: str


def request(line: bytes) -> Request:
    """Return the request in a line; Failure if it is malformed."""
    value = _object(line)
    try:
        auth = value.get("auth")
        return Request(
            image=_text(value, "image"),
            auth=auth if isinstance(auth, dict) else None,
            registries_conf=_text(value, "registries_conf"),
            auth_file=_text(value, "auth_file"),
            certs_dirs=tuple(map(str, value.get("certs_dirs") or ())),
            hosts_dirs=tuple(map(str, value.get("hosts_dirs") or ())),
            architecture=_text(value, "architecture"),
            patience=max(0.0, float(value.get("patience") or 0)),
            layers_at_once=min(max(1, int(value.get("layers_at_once") or 1)), MAX_THREADS),
            blobs=_text(value, "blobs"),
        )
    except (TypeError, ValueError) as e:
        raise Failure("argument", f"the request of the pull is malformed: {e}") from e


def order(line: bytes) -> Fetch | Cancel:
    """Return the meaning of a later line; Failure if it is malformed."""
    value = _object(line)
    fetch, cancel, size = value.get("fetch"), value.get("cancel"), value.get("size")
    if _is_digest(cancel):
        return Cancel(str(cancel))
    if not _is_digest(fetch) or not isinstance(size, int) or size < 0:
        raise Failure("argument", "an order to the worker has no digest or no size")
    return Fetch(str(fetch), size)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = parse_json(line)
    except ValueError as e:
        raise Failure("argument", f"a line for the worker {e}") from None
    if not isinstance(value, dict):
        raise Failure("argument", "a line for the worker is not a JSON object")
    return value


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key) or ""
    if not isinstance(text, str):
        raise TypeError(f"{key} is not text")
    return text


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
