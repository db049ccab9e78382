"""The signature policies of this node: one file for all pods, and files for single namespaces.

The file is policy.json of containers-policy.json(5): the user's own or /etc/containers/policy.json,
unless the configuration names another one. DIRECTORY/NAMESPACE.json replaces it for the pulls of a
pod namespace, as with CRI-O. The files are read at each pull. A node without policy.json accepts
every image; a file that the configuration names must be there.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio.outside import look
from cri_shim.errors import InvalidArgument, SignatureValidationFailed
from cri_shim.linux.privacy import make_private, write_private
from cri_shim.registry.reference import Reference
from cri_shim.store.trust import policy
from cri_shim.store.trust.policy import ACCEPT, Applied, Policy, Requirements
from cri_shim.untrusted import printable, read_file, reason

SYSTEM_FILE = Path("/etc/containers/policy.json")
_MAX_FILE = 4 << 20  # bytes
_NAME_MAX = 63  # characters of a namespace: a DNS label


@contextmanager
def policy_file(
    requirements: Requirements, reference: Reference, directory: Path
) -> Iterator[Path]:
    """Yield a policy.json for skopeo's copy of one image; it exists during the block."""
    make_private(directory)
    file = directory / f"policy-{secrets.token_hex(8)}.json"
    try:
        write_private(file, policy.for_skopeo(requirements, reference))
        yield file
    finally:
        file.unlink(missing_ok=True)


class Policies:
    def __init__(
        self, file: Path | None = None, namespaces: Path | None = None, home: Path | None = None
    ) -> None:
        """`file` replaces the node's own; `namespaces` is the directory of NAMESPACE.json.

        `home`: policy.json of this home directory comes before /etc/containers/policy.json.
        """
        self._file = file
        self._namespaces = namespaces
        self._homes = [home / ".config/containers/policy.json"] if home else []

    async def read(self, namespace: str = "") -> "InForce":
        """Return the policy for a pull for a pod of `namespace`, as it is now."""
        file = self.file(namespace)
        if file is None:
            return InForce(None)
        try:
            return InForce(file, policy.parse(await look(str(file), read_file, file, _MAX_FILE)))
        except (OSError, ValueError) as e:
            return InForce(file, problem=printable(reason(e)))

    def file(self, namespace: str = "") -> Path | None:
        """Return the policy.json in force; None if there is none, and everything is accepted."""
        if self._namespaces is not None and namespace:
            if len(namespace) > _NAME_MAX or "/" in namespace or namespace[0] == ".":
                field = "sandbox_config.metadata.namespace"
                raise InvalidArgument(field, f"{printable(repr(namespace), 100)} is no namespace")
            own = self._namespaces / f"{namespace}.json"
            if own.exists() or own.is_symlink():
                return own
        if self._file is not None:
            return self._file
        places = [*self._homes, SYSTEM_FILE]
        return next((place for place in places if place.exists() or place.is_symlink()), None)


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy of one pull, which is read once; without a file everything is accepted."""

    file: Path | None
    content: Policy | None = None
    problem: str = ""

    def check(self, reference: Reference) -> Applied:
        """Return the requirements for an image of a registry.

        SignatureValidationFailed if the policy refuses it, or cannot be used.
        """
        if self.file is None:
            return Applied("all images", ({"type": ACCEPT},))
        if self.content is None:
            raise SignatureValidationFailed(
                f"{reference} is not pulled, {self.file} cannot be used: {self.problem}"
            )
        applied = policy.applied(self.content, reference)
        if applied.refused:
            raise SignatureValidationFailed(
                f"{reference} is rejected by {self.file}, which rejects {printable(applied.scope)}"
            )
        return applied
