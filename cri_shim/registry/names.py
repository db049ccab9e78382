"""What a name means by registries.conf: the images it may name, and where each is; pure."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cri_shim.errors import InvalidArgument
from cri_shim.registry.failure import Failure
from cri_shim.registry.reference import Reference, candidates, short_name
from cri_shim.registry.registries_conf import Registries, Table


@dataclass(frozen=True, slots=True)
class Location:
    """A repository on a server: `host[:port]/path`."""

    registry: str
    path: str
    insecure: bool
    primary: bool


def meanings(text: str, conf: Registries) -> list[Reference]:
    """Return the images that a name may mean, best first; Failure if it is ambiguous or none."""
    try:
        short = short_name(text)
        if alias := conf.aliases.get(short) if short else None:
            found = candidates(alias + text.removeprefix(short))
            return found[:1]
        found = candidates(text, conf.search)
    except InvalidArgument as e:
        raise Failure("argument", str(e)) from e
    if len(found) > 1 and conf.mode == "enforcing":
        raise Failure(
            "argument",
            f"the short name {text!r} may mean an image of {', '.join(conf.search)}, and"
            " short-name-mode is enforcing: write the registry, or define an alias",
        )
    return found


def locations(reference: Reference, conf: Registries) -> list[Location]:
    """Return the places to look for an image, in order; Failure if it is blocked."""
    table = find(reference, conf)
    if table is None:
        plain = on_loopback(reference.registry)
        return [Location(reference.registry, reference.path, insecure=plain, primary=True)]
    if table.blocked:
        raise Failure("denied", f"registries.conf blocks {table.prefix}: {reference} is not pulled")
    by_digest = bool(reference.digest)
    found = [
        _place(_rewritten(reference, table.prefix, mirror.location), mirror.insecure, False)
        for mirror in table.mirrors
        if mirror.serves(by_digest)
    ]
    name = _rewritten(reference, table.prefix, table.location or "")
    return [*found, _place(name, table.insecure, True)]


def on_loopback(registry: str) -> bool:
    """Tell whether a registry (host, or host:port) is on this machine's loopback interface.

    Such a registry needs no entry to be used without TLS: its traffic does not leave the node.
    """
    host = re.sub(r":[0-9]+$", "", registry).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def find(reference: Reference, conf: Registries) -> Table | None:
    """Return the table with the longest prefix of the image's name."""
    matching = [table for table in conf.tables.values() if _length(reference, table.prefix) >= 0]
    return max(matching, key=lambda table: len(table.prefix), default=None)


def _length(reference: Reference, prefix: str) -> int:
    """Return the number of characters of the name that the prefix stands for, or -1."""
    if prefix.startswith("*."):
        return len(reference.registry) if _below(reference.registry, prefix[1:]) else -1
    for name in _names(reference):
        if name == prefix or (name.startswith(prefix) and name[len(prefix)] == "/"):
            return len(prefix)
    return -1


def _below(registry: str, domain: str) -> bool:
    host = registry if ":" in domain else registry.rpartition(":")[0] or registry
    return host.endswith(domain) and len(host) > len(domain)


def _names(reference: Reference) -> Iterator[str]:
    """Yield the texts of which a prefix may be the beginning; it may include tag or digest."""
    yield reference.repository
    if reference.tag:
        yield f"{reference.repository}:{reference.tag}"
    if reference.digest:
        yield f"{reference.repository}@{reference.digest}"


def _rewritten(reference: Reference, prefix: str, location: str) -> str:
    """Return the repository of a reference with its prefix replaced by a location."""
    if not location:
        return reference.repository
    return location + reference.repository[_length(reference, prefix) :]


def _place(name: str, insecure: bool, primary: bool) -> Location:
    registry, _, path = name.partition("/")
    return Location(registry, path, insecure, primary)
