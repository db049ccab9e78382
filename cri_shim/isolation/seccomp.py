"""The sources of seccomp profiles: the built-in default, and files on the node.

RuntimeDefault is `default_seccomp.json` of this package, unless `seccomp_profile` names a file.
docs/seccomp.md compares it with the profiles of other runtimes. Files are read when a container is
made: an edited profile takes effect for the next container.
"""

import functools
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from cri_shim import untrusted
from cri_shim.aio import outside
from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.linux import answering
from cri_shim.spec import seccomp
from cri_shim.spec.seccomp import Filter, Machine

MAX_PROFILE = 4 << 20  # bytes; real ones have 20 KiB
ARCHITECTURES = ("amd64", "arm64")  # of the built-in profile, with the others that they also run


class SeccompProfiles:
    """`candidates`: files to search for RuntimeDefault; without any, the built-in profile is used.

    `architecture` as images name it.
    """

    def __init__(self, candidates: Sequence[str], *, architecture: str) -> None:
        self._candidates = tuple(candidates)
        self._machine = Machine(architecture, _kernel(platform.release()))

    def problem(self) -> str:
        """Return why this node has no RuntimeDefault; "" if it has."""
        if self._candidates:
            if self._configured() is not None:
                return ""
            tried = ", ".join(self._candidates)
            return (
                f"the seccomp profile of this node does not exist; tried: {tried}; set"
                " seccomp_profile to a file that exists, or leave it out for the built-in profile"
            )
        if self._machine.architecture in ARCHITECTURES:
            return ""
        return (
            f"there is no built-in seccomp profile for {self._machine.architecture};"
            " set seccomp_profile to a file for this processor"
        )

    def source(self) -> str:
        """Return the source of RuntimeDefault, or the problem, as a text for people."""
        return self.problem() or str(self._configured() or "built-in")

    async def filter(
        self,
        at: str,
        request: seccomp.ProfileRequest | None,
        capabilities: Collection[str],
        *,
        default: str = "",
    ) -> Filter | None:
        """Return the OCI linux.seccomp for a process with `capabilities`; None for no filter.

        `at` is the path of the security context, `default` the file of a handler's RuntimeDefault,
        "" for the node's. InvalidArgument for a Localhost profile that
        cannot be used, Unavailable for one whose file system does not answer, WrongState if this
        node has no default profile.
        """
        if request is None:
            return None
        field = f"{at}.{request.field}"
        if request.path:
            profile = await self._local(request.path, field)
        elif default:
            profile = await _of_handler(default, field)
        else:
            profile = await self._default(field)
        return seccomp.to_oci(profile, self._machine, capabilities)

    async def check(self, at: str, request: seccomp.ProfileRequest | None) -> None:
        """Raise the errors of `filter` for a Localhost profile, without a process to filter."""
        if request is not None and request.path:
            await self._local(request.path, f"{at}.{request.field}")

    def is_configured(self) -> bool:
        """Return whether RuntimeDefault is a file of the configuration."""
        return self._configured() is not None

    def _configured(self) -> Path | None:
        return next((path for path in map(Path, self._candidates) if path.is_file()), None)

    async def _default(self, field: str) -> Mapping[str, Any]:
        if problem := self.problem():
            raise WrongState(f"{field}: {problem}")
        path = self._configured()
        return await _read(str(path), field) if path else _our_own()

    async def _local(self, path: str, field: str) -> Mapping[str, Any]:
        if not path.startswith("/"):
            raise InvalidArgument(field, f"{path!r} is not an absolute path on this node")
        return await _read(path, field)


async def _of_handler(path: str, field: str) -> Mapping[str, Any]:
    """Return the profile of a handler; WrongState for a wrong one: the request is not to blame."""
    try:
        return await _read(path, field)
    except InvalidArgument as e:
        raise WrongState(f"{e}; it is the seccomp_profile of the runtime handler") from e


async def _read(path: str, field: str) -> Mapping[str, Any]:
    """Return the profile in a file; its file system may not answer."""
    try:
        await answering.ensure(path)
        text = await outside.look(path, untrusted.read_file, path, MAX_PROFILE)
    except OSError as e:
        raise InvalidArgument(field, f"{path}: {e.strerror}") from e
    except ValueError as e:
        raise InvalidArgument(field, f"{path}: {e}") from e
    return seccomp.parse(text, f"{field}: {path}")


@functools.cache
def _our_own() -> Mapping[str, Any]:
    data = resources.files("cri_shim.isolation").joinpath("default_seccomp.json").read_bytes()
    return seccomp.parse(data, "default_seccomp.json")


def _kernel(release: str) -> tuple[int, int]:
    """Return (6, 1) for "6.1.0-18-amd64"."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
