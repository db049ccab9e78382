"""Tries user and password at a registry, before they are kept for pulls."""

from collections.abc import Mapping
from pathlib import Path

from cri_shim.registry import certificates, hosts_toml
from cri_shim.registry.connections import Connections
from cri_shim.registry.credentials import Credential
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.names import find, on_loopback
from cri_shim.registry.reference import Reference
from cri_shim.registry.registries_conf import registries
from cri_shim.registry.session import Session

PATIENCE_S = 30.0  # without a byte of the registry


def accepts(
    registry: str,
    credential: Credential,
    *,
    registries_conf: str,
    environ: Mapping[str, str],
    certs_dirs: tuple[str, ...] = certificates.OF_SYSTEM,
    hosts_dirs: tuple[str, ...] = hosts_toml.OF_SYSTEM,
) -> bool:
    """Ask the root of the registry's API; return False if it does not ask for credentials.

    Failure if it refuses these, or cannot be asked. Mirrors are not asked.
    """
    conf = registries(Path(registries_conf) if registries_conf else None)
    table = find(Reference(registry, ""), conf)
    insecure = table.insecure if table is not None else on_loopback(registry)
    tops = certificates.directories(certs_dirs, environ)
    tls = certificates.of_registry(registry, tops, verify=not insecure)
    endpoint = Endpoint(registry, "", "either" if insecure else "https", tls=tls)
    if (directory := hosts_toml.directory_of(registry, hosts_dirs)) is not None:
        servers = hosts_toml.expand(endpoint, directory)
        endpoint = next((one for one in servers if one.primary), endpoint)
    session = Session(Connections(environ, PATIENCE_S, 1), endpoint, lambda: credential, PATIENCE_S)
    return session.log_in()
