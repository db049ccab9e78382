"""Runs skopeo: it copies manifests and whole images into an OCI layout, and out of one.

skopeo honours registries.conf, policy.json, certs.d and auth files, and verifies every digest. It
ends with status 1 for nearly every error; this module finds the kind of error in its last line.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cri_shim.activity import Step
from cri_shim.aio.child import Finished, run
from cri_shim.aio.offload import offload
from cri_shim.errors import (
    CriShimError,
    NotFound,
    RegistryUnavailable,
    SignatureValidationFailed,
    ToolFailed,
    Unavailable,
)
from cri_shim.store import registries
from cri_shim.store.archives.stall import PATIENCE_S, unless_stalled

RETRIES = 2  # of a broken transfer; a registry that never answers fails at once
_MANIFEST_LIMIT = 16 << 20  # bytes; skopeo's own limit is 4 MiB

# The first match wins: (pattern in skopeo's message, kind).
_KINDS: tuple[tuple[str, type[CriShimError]], ...] = (
    (r"no space left on device|disk quota exceeded", Unavailable),
    (r"Source image rejected|rejected by policy|signature.*(required|invalid|no matching)",
     SignatureValidationFailed),
    (r"unauthorized|authentication required|invalid username/password|denied|403 \(?Forbidden",
     ToolFailed),
    (r"manifest unknown|name unknown|manifest_unknown|not found: manifest|StatusCode: 404"
     r"|\b404 \(?Not Found", NotFound),
    (r"connection refused|connection reset|no such host|server misbehaving|i/o timeout"
     r"|TLS handshake timeout|network is unreachable|no route to host|context deadline exceeded"
     r"|Client\.Timeout|502 Bad Gateway|503 Service Unavailable|504 Gateway Timeout"
     r"|unexpected EOF|toomanyrequests|429 \(?Too Many", RegistryUnavailable),
)  # fmt: skip
_REMEDIES = (
    (
        "server gave HTTP response to HTTPS client",
        "to allow plain HTTP, set insecure = true for HOST in registries.conf",
    ),
    ("x509: certificate signed by unknown authority",
     "put its CA into /etc/containers/certs.d/HOST/ca.crt"),
)  # fmt: skip


class Skopeo:
    def __init__(
        self,
        program: str = "skopeo",
        *,
        registries_conf: Path | None = None,
        architecture: str,
        env: Mapping[str, str] | None = None,
        patience: float = PATIENCE_S,
    ) -> None:
        """`registries_conf` replaces the node's own file if given.

        `program` may be "": then every use is a ToolFailed that says what to install. `patience`: a
        transfer is given up after so many seconds without a byte; 0: never.
        """
        self._patience = patience
        self._program = program
        self._platform = ["--override-os", "linux", "--override-arch", architecture]
        self._registries_conf = registries_conf
        self._registries = ["--registries-conf", str(registries_conf)] if registries_conf else []
        self._env = env

    def _installed(self) -> str:
        if not self._program:
            raise ToolFailed(
                "skopeo is not installed, which loads and saves archives and verifies signatures:"
                " install the package skopeo, or set image.skopeo_path, and restart the daemon"
            )
        return self._program

    async def manifest(self, source: str, authfile: Path | None) -> bytes:
        """Return the manifest, or manifest list, of `source` (transport:name), byte for byte."""
        limit = self._patience or None
        command = [
            self._installed(), "--insecure-policy", *self._registries, "inspect", "--raw",
            *await self._without_tls("--tls-verify", source),
            *_auth("--authfile", authfile), source,
        ]  # fmt: skip
        with Step("skopeo inspect", f"skopeo, manifest of {source}", limit=limit, program=True):
            done = await run(command, env=self._env, limit=_MANIFEST_LIMIT, timeout=limit)
        if done.returncode:
            raise failure(done, f"cannot read the manifest of {source}")
        return done.stdout

    async def copy(
        self, source: str, layout: Path, authfile: Path | None, policy: Path | None
    ) -> None:
        """Copy this machine's image of `source` into the OCI layout, digests unchanged.

        `policy` is a policy.json; None accepts every image.

        A file that `layout` already has under a blob's name is used as that blob.
        """
        copying = run(
            [
                self._installed(), *_policy(policy), *self._registries,
                *self._platform,
                "--tmpdir", str(layout), "copy", "--quiet", "--preserve-digests",
                "--remove-signatures",  # they are verified; a layout has no place for them
                "--retry-times", str(RETRIES),
                *await self._without_tls("--src-tls-verify", source),
                *_auth("--src-authfile", authfile), source, f"oci:{layout}",
            ],
            env=self._env,
        )  # fmt: skip
        attempted = f"cannot copy {source}"
        # It may rightly take long: `unless_stalled` finds out whether bytes come.
        with Step("skopeo copy", f"skopeo, copy of {source}", expected=True, program=True):
            done = await unless_stalled(copying, layout, self._patience, attempted)
        if done.returncode:
            raise failure(done, attempted, layout)

    async def _without_tls(self, option: str, source: str) -> Sequence[str]:
        transport, _, name = source.partition("//")
        registry = name.partition("/")[0]
        if transport != "docker:" or not await offload(
            registries.allows_plain, registry, self._registries_conf
        ):
            return []
        return [f"{option}=false"]

    async def export(
        self, layout: Path, target: str, *, exact: bool, names: Sequence[str] = ()
    ) -> None:
        """Copy the image of a layout to `target` (transport:path), with more `names`.

        `exact`: no digest may change. No policy applies: policies are for images that come in.
        """
        writing = run(
            [
                self._installed(), "--insecure-policy", *self._platform, "--tmpdir", str(layout),
                "copy", "--quiet", *(["--preserve-digests"] if exact else []),
                *(f"--additional-tag={name}" for name in names), f"oci:{layout}", target,
            ],
            env=self._env,
        )  # fmt: skip
        with Step("skopeo copy", f"skopeo, writing {target}", expected=True, program=True):
            done = await writing
        if done.returncode:
            raise failure(done, f"cannot write {target}")


def failure(done: Finished, attempted: str, directory: Path | None = None) -> CriShimError:
    """Return skopeo's message as an error of the right kind."""
    words = _once(_fatal(done.complaint()))
    _, remote, name = attempted.partition("docker://")
    host, _, path = name.partition("/")
    for pattern, kind in _KINDS:
        if re.search(pattern, words, re.IGNORECASE) and (remote or kind is not RegistryUnavailable):
            if remote and kind is NotFound:
                return NotFound(f"{host} has no {path}")
            where = f" (in {directory})" if kind is Unavailable and directory else ""
            return kind(f"{attempted}: {words}{where}")
    remedies = (remedy for pattern, remedy in _REMEDIES if remote and pattern in words)
    return ToolFailed("; ".join([f"{attempted}: {words}", *remedies]).replace("HOST", host))


def _once(words: str) -> str:
    """Leave out what skopeo says twice, and its false claim that the name cannot be parsed."""
    parts = words.split(": ")
    parts = [part for part in parts if not part.startswith("Error parsing image name")] or parts
    return ": ".join(part for n, part in enumerate(parts) if not n or part != parts[n - 1])


def _fatal(complaint: str) -> str:
    """Return only the message of skopeo's last log line, without time and level."""
    last = complaint.splitlines()[-1]
    found = re.search(r'level=(?:fatal|error) msg=(".*")', last)
    if found is None:
        return complaint
    return found[1][1:-1].replace('\\"', '"').replace("\\n", " ")


def _auth(option: str, authfile: Path | None) -> Sequence[str]:
    return [option, str(authfile)] if authfile else []


def _policy(file: Path | None) -> Sequence[str]:
    return ["--policy", str(file)] if file else ["--insecure-policy"]
