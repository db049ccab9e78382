"""certs.d of containers and of Docker: a directory for each registry, with its TLS files.

`*.crt` are certificate authorities, `NAME.cert` and `NAME.key` a client certificate and its key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cri_shim.registry.endpoint import Tls
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import names, reason

OF_SYSTEM = ("/etc/containers/certs.d", "/etc/docker/certs.d")


def directories(of_system: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the directories to look in: the user's own first."""
    home = Path(environ.get("HOME") or "/root")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [str(config / "containers/certs.d"), *of_system]


def of_registry(registry: str, directories: Sequence[str], *, verify: bool = True) -> Tls:
    """Return the TLS settings of a registry (host, or host:port) from the first directory of it.

    Failure if a directory cannot be read, or a client certificate has no key.
    """
    for top in directories:
        place = Path(top, registry)
        if place.is_dir():
            return in_directory(place, verify=verify)
    return Tls(verify=verify)


def in_directory(place: Path, *, verify: bool = True) -> Tls:
    try:
        files = names(place, (".crt", ".cert", ".key"))
    except (OSError, ValueError) as e:
        raise Failure("argument", f"cannot use the certificates in {place}: {reason(e)}") from e
    pairs = []
    for name in files:
        if name.endswith(".cert"):
            key = f"{name.removesuffix('.cert')}.key"
            if key not in files:
                raise Failure("argument", f"{place / name} has no key: {place / key} is missing")
            pairs.append((str(place / name), str(place / key)))
        elif name.endswith(".key") and f"{name.removesuffix('.key')}.cert" not in files:
            raise Failure("argument", f"{place / name} is a key without a certificate (*.cert)")
    authorities = tuple(str(place / name) for name in files if name.endswith(".crt"))
    return Tls(authorities, tuple(pairs), verify)
