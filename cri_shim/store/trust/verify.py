"""Verifies sigstore signatures with public keys: skopeo fetches them, openssl checks them.

skopeo of Debian 12 cannot verify them: it is built without. Requirements that name a certificate
authority or a transparency log (fulcio, rekor, pki) are left to skopeo, and so are GPG signatures.
"""

import base64
import binascii
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cri_shim.aio.child import run
from cri_shim.aio.offload import offload
from cri_shim.errors import NotFound, SignatureValidationFailed
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.linux.remove import remove_tree
from cri_shim.registry.reference import Reference
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.layout import Layout
from cri_shim.store.trust import policy, sigstore
from cri_shim.store.trust.policy import Requirements
from cri_shim.store.trust.sigstore import Signature
from cri_shim.untrusted import printable, read_file, reason

OPENSSL = "openssl"
_LIMIT_S = 20.0
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_OURS = frozenset({"type", policy.IDENTITY, *_KEYS})
_MAX_KEY = 1 << 20  # bytes


def is_ours(requirement: Mapping[str, Any]) -> bool:
    return requirement["type"] == "sigstoreSigned" and requirement.keys() <= _OURS


async def verify(
    skopeo: Skopeo,
    requirements: Requirements,
    reference: Reference,
    digests: Sequence[str],
    authfile: Path | None,
    directory: Path,
) -> Requirements:
    """Verify an image as far as possible here; return the requirements that are left for skopeo.

    `digests` are those of the manifest and of the index that has it: one of them must be signed.
    `directory` is for files during the call. SignatureValidationFailed if a requirement is not met.
    """
    ours = [one for one in requirements if is_ours(one)]
    if not ours:
        return requirements
    with _room(directory) as room:
        found = [
            (digest, signature, payload)
            for digest in dict.fromkeys(digests)
            for signature, payload in await _fetch(skopeo, reference, digest, authfile, room)
        ]
        for requirement in ours:
            await _one(requirement, reference, found, room)
    left = tuple(one for one in requirements if not is_ours(one))
    return left or ({"type": policy.ACCEPT},)


async def _one(
    requirement: Mapping[str, Any],
    reference: Reference,
    found: Sequence[tuple[str, Signature, bytes]],
    room: Path,
) -> None:
    """Find a signature that meets the requirement."""
    keys = await offload(_keys, requirement, room)
    identity = policy.identity(requirement, reference)
    problems = []
    for digest, signature, payload in found:
        if not await _is_signed(payload, signature.signature, keys, room):
            problems.append("a signature is not of a key that the policy names")
        elif problem := sigstore.problem(payload, identity, reference, digest):
            problems.append(problem)
        else:
            return
    words = "; ".join(dict.fromkeys(problems)) or "it has no sigstore signature"
    raise SignatureValidationFailed(f"{reference} is refused: {words}")


async def _fetch(
    skopeo: Skopeo, reference: Reference, digest: str, authfile: Path | None, room: Path
) -> list[tuple[Signature, bytes]]:
    source = f"docker://{sigstore.attached_to(reference, digest)}"
    accepting = room / "policy.json"
    layout = Layout(room)
    try:
        signatures = sigstore.signatures_of(await skopeo.manifest(source, authfile))
        write_private(accepting, policy.for_skopeo(({"type": policy.ACCEPT},), reference))
        layout.path.mkdir()
        await skopeo.copy(source, layout.path, authfile, accepting)
        limit = sigstore.MAX_PAYLOAD
        return [(one, read_file(layout.blob(one.payload), limit)) for one in signatures]
    except NotFound:
        return []
    except (OSError, ValueError) as e:
        raise SignatureValidationFailed(
            f"{reference} is refused: {source} {printable(reason(e))}"
        ) from e


async def _is_signed(payload: bytes, signature: bytes, keys: Sequence[Path], room: Path) -> bool:
    said, signed = room / "payload", room / "signature"
    said.write_bytes(payload)
    signed.write_bytes(signature)
    for key in keys:
        words = [OPENSSL, "dgst", "-sha256", "-verify", str(key), "-signature", str(signed)]
        if (await run([*words, str(said)], timeout=_LIMIT_S)).returncode == 0:
            return True
    return False


def _keys(requirement: Mapping[str, Any], room: Path) -> list[Path]:
    """Return the files of a requirement's public keys. Blocks."""
    try:
        files = [Path(path) for path in _texts(requirement, "keyPath", "keyPaths")]
        for file in files:
            read_file(file, _MAX_KEY)
        for number, data in enumerate(_texts(requirement, "keyData", "keyDatas")):
            files.append(room / f"key{number}")
            write_private(files[-1], base64.b64decode(data, validate=True))
    except (OSError, binascii.Error) as e:
        raise SignatureValidationFailed(f"a public key of the policy cannot be used: {e}") from e
    if not files:
        raise SignatureValidationFailed("a sigstoreSigned of the policy names no public key")
    return files


def _texts(requirement: Mapping[str, Any], *names: str) -> list[str]:
    found: list[str] = []
    for name in names:
        value = requirement.get(name, [])
        found += map(str, value if isinstance(value, list) else [value])
    return found


@contextmanager
def _room(directory: Path) -> Iterator[Path]:
    make_private(directory)
    room = directory / f"signatures-{secrets.token_hex(8)}"
    room.mkdir(mode=0o700)
    try:
        yield room
    finally:
        remove_tree(room)
