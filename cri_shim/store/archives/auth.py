"""Passes a caller's credentials to skopeo, in a file that exists only during the call.

No secret is ever on a command line, which every user of the node can read. The file has mode 0600
and is in the run directory (a tmpfs). It is the node's own auth file with one changed entry, the
caller's for one registry: mirrors get the node's credentials, and the caller's credentials go only
to that registry.
"""

import base64
import binascii
import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cri_shim.errors import InvalidArgument
from cri_shim.linux.privacy import make_private
from cri_shim.pb import api_pb2 as api
from cri_shim.untrusted import NOWHERE, parse_json, read_file, reason

MAX_FILE = 1 << 20  # bytes
FIELD = "auth"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential for one registry. Its repr shows no secret."""

    basic: str  # base64 of user:password, or ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credential(...)"


def credential(auth: api.AuthConfig | None, registry: str) -> Credential | None:
    """Return the credential of a CRI AuthConfig for `registry`; None means the node's own.

    A credential for another server is ignored. InvalidArgument if it is malformed, or cannot be
    passed to skopeo in a file.
    """
    if auth is None or not auth.ByteSize():
        return None
    if auth.server_address and _host(auth.server_address) != _host(registry):
        return None
    if auth.identity_token:
        return Credential(_encode(auth.username or "<token>", ""), auth.identity_token)
    if auth.username or auth.password:
        return Credential(_encode(auth.username, auth.password))
    if auth.auth:
        return Credential(_checked(auth.auth))
    if auth.registry_token:
        raise InvalidArgument(
            f"{FIELD}.registry_token",
            "skopeo takes it on its command line only, where every user of the node could read it;"
            " use username and password, or identity_token",
        )
    return None


def merged(node: Mapping[str, Any], registry: str, credential: Credential) -> dict[str, Any]:
    """Return the node's auth file with all its entries for `registry` replaced by `credential`."""
    entry = {"auth": credential.basic}
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token
    result: dict[str, Any] = {}
    for section in ("auths", "credHelpers"):
        entries = node.get(section)
        if isinstance(entries, dict):
            result[section] = {
                key: value for key, value in entries.items() if _host(str(key)) != _host(registry)
            }
    result.setdefault("auths", {})[registry] = entry
    return result


@contextmanager
def authfile(directory: Path, registry: str, own: Credential | None) -> Iterator[Path | None]:
    """Yield a file for skopeo's --authfile during the block; None to use the node's own file."""
    if own is None:
        yield None
        return
    make_private(directory)
    path = directory / f"auth-{secrets.token_hex(8)}.json"
    content = json.dumps(merged(_node_file(), registry, own)).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.close(fd)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _node_file() -> Mapping[str, Any]:
    """Return the auth file that skopeo would read by itself; the places are those for root."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or "/run/containers/0"
    home = Path(os.environ.get("HOME") or "/root")
    explicit = os.environ.get("REGISTRY_AUTH_FILE")
    places = [Path(explicit)] if explicit else []
    places += [
        Path(runtime)
        / ("containers/auth.json" if "XDG_RUNTIME_DIR" in os.environ else "auth.json"),
        home / ".config/containers/auth.json",
        home / ".docker/config.json",
    ]
    for place in places:
        try:
            value = parse_json(read_file(place, MAX_FILE))
        except FileNotFoundError:
            if place.is_symlink():
                _log.warning("the credentials in %s are not used: %s", place, NOWHERE)
            continue
        except (OSError, ValueError) as e:
            _log.warning("the credentials in %s are not used: %s", place, reason(e))
            continue
        if isinstance(value, dict):
            return value
        _log.warning("the credentials in %s are not used: it is no JSON object", place)
    return {}


def _host(address: str) -> str:
    text = urlsplit(address if "://" in address else f"//{address}").netloc or address
    return {
        "index.docker.io": "docker.io", "registry-1.docker.io": "docker.io",
    }.get(text, text)  # fmt: skip


def _encode(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _checked(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True)
    except binascii.Error as e:
        raise InvalidArgument(f"{FIELD}.auth", "is not base64") from e
    if b":" not in text:
        raise InvalidArgument(f"{FIELD}.auth", "is not base64 of user:password")
    return encoded
