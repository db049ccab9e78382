"""containerd's certs.d/HOST/hosts.toml: the servers to ask for the images of a registry.

The directory of a registry is `HOST_PORT_`, `HOST:PORT`, or `_default` for every other one. A
directory without hosts.toml has certificates only, as those of Docker.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cri_shim.registry import certificates
from cri_shim.registry.endpoint import API, Endpoint, Scheme, Tls
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import parse_toml, read_file, reason

MAX_FILE = 1 << 20  # bytes
FILE = "hosts.toml"
OF_SYSTEM = ("/etc/containerd/certs.d",)
_CAPABILITIES = {"pull", "resolve", "push"}


@dataclass(frozen=True, slots=True)
class _Server:
    """The part of a URL that an endpoint is made of."""

    scheme: Scheme
    authority: str
    path: str
    socket: str


def directory_of(registry: str, tops: Sequence[str]) -> Path | None:
    """Return the directory of a registry: that of its name before any default."""
    host, colon, port = registry.rpartition(":")
    own = [f"{host}_{port}_", registry] if colon and port.isdigit() else [registry]
    for name in [*own, "_default"]:
        for top in tops:
            place = Path(top, name)
            if place.is_dir():
                return place
    return None


def expand(endpoint: Endpoint, place: Path) -> list[Endpoint]:
    """Return the servers to ask instead of `endpoint`, in order; Failure for a bad file."""
    file = place / FILE
    try:
        document = parse_toml(read_file(file, MAX_FILE))
    except FileNotFoundError:
        tls = certificates.in_directory(place, verify=endpoint.tls.verify)
        return [replace(endpoint, tls=tls) if tls != Tls() else endpoint]
    except (OSError, ValueError) as e:
        raise Failure("argument", f"cannot use {file}: {reason(e)}") from e
    try:
        return list(_servers(endpoint, place, document))
    except (TypeError, ValueError) as e:
        raise Failure("argument", f"cannot use {file}: {e}") from e


def _servers(endpoint: Endpoint, place: Path, document: Mapping[str, Any]) -> Iterator[Endpoint]:
    hosts = document.get("host") or {}
    if not isinstance(hosts, dict):
        raise TypeError("host is not a table")
    for name, settings in hosts.items():
        if not isinstance(settings, dict):
            raise TypeError(f"host.{name!r} is not a table")
        yield replace(_configured(endpoint, place, name, settings), primary=False)
    yield _configured(endpoint, place, _text(document, "server"), document)


def _configured(endpoint: Endpoint, place: Path, url: str, settings: Mapping[str, Any]) -> Endpoint:
    abilities = {value.lower() for value in _texts(settings.get("capabilities"), "capabilities")}
    if unknown := abilities - _CAPABILITIES:
        raise ValueError(f"capabilities has {sorted(unknown)[0]!r}")
    abilities = abilities or _CAPABILITIES
    server = _parsed(url) if url else None
    same = server is None or server.authority == endpoint.authority
    found = replace(
        endpoint,
        tls=_tls(endpoint.tls if same else Tls(), place, settings),
        headers=tuple(_headers(settings.get("header"))),
        resolves="resolve" in abilities,
        pulls="pull" in abilities,
    )
    if server is None:
        return found
    root = server.path
    if settings.get("override_path") is not True and not root.endswith(API):
        root += API
    return replace(
        found,
        registry=endpoint.registry if same or server.socket else server.authority,
        server=server.authority,
        scheme=server.scheme,
        socket=server.socket,
        root=root,
        namespace="" if same or server.socket else endpoint.registry,
    )


def _parsed(url: str) -> _Server:
    if url.startswith("unix:"):
        return _Server("http", "localhost", "", urlsplit(url).path)
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{url!r} is not the URL of a server")
    scheme: Scheme = "http" if parts.scheme == "http" else "https"
    return _Server(scheme, parts.netloc, parts.path.rstrip("/"), "")


def _tls(own: Tls, place: Path, settings: Mapping[str, Any]) -> Tls:
    authorities = tuple(str(place / name) for name in _texts(settings.get("ca"), "ca"))
    skip = settings.get("skip_verify")
    if skip is not None and not isinstance(skip, bool):
        raise TypeError("skip_verify is not true or false")
    return Tls(
        authorities or own.authorities,
        tuple(_pairs(settings.get("client"), place)) or own.pairs,
        own.verify if skip is None else not skip,
    )


def _pairs(value: object, place: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of certificate and key; one file may have both, and the key is ""."""
    for entry in value if isinstance(value, list) else [value] if value else []:
        files = _texts(entry, "client")
        if len(files) not in (1, 2):
            raise ValueError("client is not a file, or a pair of certificate and key")
        yield str(place / files[0]), str(place / files[1]) if len(files) > 1 else ""


def _headers(value: object) -> Iterator[tuple[str, str]]:
    if value is not None and not isinstance(value, dict):
        raise TypeError("header is not a table")
    for name, values in (value or {}).items():
        for one in _texts(values, f"header.{name}"):
            if any(c in one + name for c in "\r\n\0"):
                raise ValueError(f"header.{name} has a line break")
            yield name, one


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise TypeError(f"{key} is not text")
    return value


def _texts(value: object, what: str) -> list[str]:
    values = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise TypeError(f"{what} is not text or a list of texts")
    return values
