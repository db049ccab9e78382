"""What the API can ask for and this runtime does not do yet: refused, never ignored.

A container that runs without the protection, or without the mount, it was declared with is worse
than one that does not run. Each row of the tables is one such field; the change that applies a
field deletes its row, and nothing else needs to know.

What looks like it belongs here and does not:
- selinux_options where SELinux is off, and selinux_relabel: see isolation/selinux.py
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api

# field below the security context: what of it is not applied, "" for nothing
_SECURITY: dict[str, Callable[[Any], str]] = {
    "namespace_options.userns_options.mode": lambda c: (
        "POD" if _has_user_namespace(c.namespace_options) else ""
    ),
}

# field of a mount: whether it asks for something
_MOUNT: dict[str, Callable[[api.Mount], bool]] = {
    "uidMappings": lambda m: bool(m.uidMappings),
    "gidMappings": lambda m: bool(m.gidMappings),
}


class Unapplied:
    """Refuses requests by the tables."""

    def __call__(self, request: Message) -> None:
        """Raise InvalidArgument for the first field that would not be applied."""
        if isinstance(request, api.RunPodSandboxRequest):
            context = request.config.linux.security_context
            self._security("config.linux.security_context", context)
        elif isinstance(request, api.CreateContainerRequest):
            _container("config", request.config)
            inner = request.config.linux.security_context
            self._security("config.linux.security_context", inner)

    def _security(
        self,
        at: str,
        context: api.LinuxSandboxSecurityContext | api.LinuxContainerSecurityContext,
    ) -> None:
        for field, asked in _SECURITY.items():
            if what := asked(context):
                raise _refusal(f"{at}.{field}", what)


def _container(at: str, config: api.ContainerConfig) -> None:
    for index, mount in enumerate(config.mounts):
        for field, wants in _MOUNT.items():
            if wants(mount):
                raise _refusal(f"{at}.mounts[{index}].{field}")


def _has_user_namespace(options: api.NamespaceOption) -> bool:
    return options.HasField("userns_options") and options.userns_options.mode == api.POD


def _refusal(at: str, what: str = "") -> InvalidArgument:
    return InvalidArgument(at, f"{what} is not applied by this runtime yet".strip())
