"""containers-auth.json(5) and Docker's config.json: the node's credentials.

The files are read in their order, and the first one that has a credential wins. Within a file, the
helper of the registry comes first, then the entry with the most of the path, then Docker's
`credsStore`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cri_shim.registry.credentials import Credential, host, of_entry
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import NOWHERE, parse_json, printable, read_file, reason

MAX_FILE = 1 << 20  # bytes
FILES = "containers-auth.json"  # the name in `credential-helpers` that stands for these files
_HUB_KEY = "https://index.docker.io/v1/"  # the server that Docker's helpers know Docker Hub by

Helper = Callable[[str, str], Credential | None]  # program's name, server -> credential


def places(explicit: str, environ: Mapping[str, str]) -> list[Path]:
    """Return the auth files, in order. An explicit one is the only one."""
    if explicit or (explicit := environ.get("REGISTRY_AUTH_FILE", "")):
        return [Path(explicit)]
    home = Path(environ.get("HOME") or "/root")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        first = Path(runtime, "containers/auth.json")
    else:
        first = Path(f"/run/containers/{os.getuid()}/auth.json")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    docker = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    return [first, config / "containers/auth.json", docker / "config.json", home / ".dockercfg"]


@dataclass(slots=True)
class AuthFiles:
    """Finds credentials; each problem of a file is told once, to `warn`."""

    files: Sequence[Path]
    helper: Helper
    helpers: Sequence[str]  # credential-helpers of registries.conf
    warn: Callable[[str], None]
    _read: list[tuple[Path, Mapping[str, Any]]] | None = None

    def find(self, registry: str, path: str) -> Credential | None:
        """Return the credential for a repository (`path`) of a registry; None if there is none."""
        for helper in self.helpers or [FILES]:
            if helper == FILES:
                found = self._in_files(registry, path)
            else:
                found = self._ask(helper, registry)
            if found is not None:
                return found
        return None

    def searched(self, registry: str) -> str:
        """Return a sentence on the places where `find` found no credential of a registry."""
        read = [str(file) for file, _ in self._read or ()]
        asked = [f"docker-credential-{name}" for name in self.helpers if name != FILES] + read
        others = ", ".join(str(file) for file in self.files if str(file) not in read)
        if not asked:
            return f"no file with credentials can be read: {others}"
        none = f"no credentials for {registry} in {', '.join(asked)}"
        return f"{none} (missing or unusable: {others})" if others else none

    def _in_files(self, registry: str, path: str) -> Credential | None:
        if self._read is None:
            self._read = list(self._contents())
        for file, content in self._read:
            try:
                found = self._in_file(file, content, registry, path)
            except Failure as e:
                self.warn(e.message)
                continue
            if found is not None:
                return found
        return None

    def _in_file(
        self, file: Path, content: Mapping[str, Any], registry: str, path: str
    ) -> Credential | None:
        helpers = _table(content, "credHelpers")
        for key, helper in helpers.items():
            if host(key) == registry and isinstance(helper, str):
                return self._ask(helper, registry)
        entries = _table(content, "auths")
        for key in _keys(entries, registry, path):
            entry = entries[key]
            found = of_entry(entry, f"{file}: {key}") if isinstance(entry, dict) else None
            if found is not None:
                return replace(found, source=str(file))
        store = content.get("credsStore")
        return self._ask(store, registry) if isinstance(store, str) and store else None

    def _ask(self, helper: str, registry: str) -> Credential | None:
        try:
            found = self.helper(helper, _HUB_KEY if registry == "docker.io" else registry)
        except Failure as e:
            self.warn(e.message)
            return None
        return replace(found, source=f"docker-credential-{helper}") if found else None

    def _contents(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        for file in self.files:
            try:
                value = parse_json(read_file(file, MAX_FILE))
            except FileNotFoundError:
                if file.is_symlink():
                    self.warn(f"the credentials in {file} are not used: {NOWHERE}")
                continue
            except (OSError, ValueError) as e:
                self.warn(printable(f"the credentials in {file} are not used: {reason(e)}"))
                continue
            if isinstance(value, dict):
                yield file, {"auths": value} if file.name == ".dockercfg" else value
            else:
                self.warn(f"the credentials in {file} are not used: it is no JSON object")


def _keys(entries: Mapping[str, Any], registry: str, path: str) -> Iterator[str]:
    """Yield the keys that concern a repository, the one with the longest path first."""
    parts = [registry, *path.split("/")]
    for length in range(len(parts), 0, -1):
        name = "/".join(parts[:length])
        if name in entries:
            yield name
    # Older programs wrote the URL of the registry, or only its host with a scheme.
    yield from (key for key in entries if host(key) == registry and (_is_url(key)))


def _is_url(key: str) -> bool:
    return "://" in key or key.partition("/")[2] in ("v1", "v1/", "v2", "v2/") or "docker.io" in key


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}
