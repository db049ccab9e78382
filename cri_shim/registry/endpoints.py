"""The servers to ask for an image: registries.conf, certs.d and hosts.toml together."""

from collections.abc import Iterator, Sequence

from cri_shim.registry import certificates, hosts_toml
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.failure import Failure
from cri_shim.registry.names import locations
from cri_shim.registry.reference import Reference
from cri_shim.registry.registries_conf import Registries


def endpoints(
    reference: Reference,
    conf: Registries,
    certs_dirs: Sequence[str] = (),
    hosts_dirs: Sequence[str] = (),
) -> list[Endpoint]:
    """Return the servers that may be asked what the reference names, in order.

    Failure if the name is blocked, or if a file of a server cannot be used.
    """
    found = [
        endpoint
        for endpoint in _all(reference, conf, certs_dirs, hosts_dirs)
        if endpoint.pulls and (endpoint.resolves or reference.digest)
    ]
    if not found:
        raise Failure("argument", f"hosts.toml has no server that may be asked for {reference}")
    return found


def _all(
    reference: Reference, conf: Registries, certs_dirs: Sequence[str], hosts_dirs: Sequence[str]
) -> Iterator[Endpoint]:
    for place in locations(reference, conf):
        endpoint = Endpoint(
            place.registry,
            place.path,
            "either" if place.insecure else "https",
            tls=certificates.of_registry(place.registry, certs_dirs, verify=not place.insecure),
            primary=place.primary,
        )
        directory = hosts_toml.directory_of(place.registry, hosts_dirs)
        yield from hosts_toml.expand(endpoint, directory) if directory else [endpoint]
