"""Annotations of the document: the container's own, and the names of its pod and image.

The administrator may give a handler's containers further ones, and may let some of the pod's
annotations through. Those of the container win over those of the pod, and these over the others.

OCI hooks and VM runtimes already look for the io.kubernetes.cri names.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from cri_shim.pb import api_pb2

# These prefixes are switches of the OCI runtimes (handlers, systemd properties, CRIU options). A
# container's own annotations must not reach them. The CRI status still reports every annotation
# unchanged.
_COMMANDS = ("run.oci.", "org.systemd.property.", "org.criu.", "org.opencontainers.runc.")


def build(
    kind: str,
    pod_id: str,
    pod: api_pb2.PodSandboxConfig,
    config: api_pb2.ContainerConfig | None = None,
    image_name: str = "",
    default: Mapping[str, str] = MappingProxyType({}),
    allowed: Iterable[str] = (),
) -> dict[str, str]:
    """Return the annotations of a "container", or of a "sandbox" (the pause process of a pod).

    `default` are those of the handler, `allowed` are its patterns for annotations of the pod; both
    are for containers.
    """
    own = config.annotations if config is not None else pod.annotations
    found = dict(default)
    patterns = tuple(allowed)
    found |= {k: v for k, v in sorted(pod.annotations.items()) if is_allowed(k, patterns)}
    found |= {key: own[key] for key in sorted(own) if not key.startswith(_COMMANDS)}
    found["io.kubernetes.cri.container-type"] = kind
    if config is not None:
        found["io.kubernetes.cri.container-name"] = config.metadata.name
        found["io.kubernetes.cri.image-name"] = image_name
    found["io.kubernetes.cri.sandbox-id"] = pod_id
    found["io.kubernetes.cri.sandbox-name"] = pod.metadata.name
    found["io.kubernetes.cri.sandbox-namespace"] = pod.metadata.namespace
    found["io.kubernetes.cri.sandbox-uid"] = pod.metadata.uid
    return found


def is_allowed(key: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern lets an annotation of the pod through.

    A switch of the OCI runtime passes only a pattern that begins with the switch's own prefix: some
    switches name a file of the node that is written, and nobody means them by a `*`.
    """
    switch = next((prefix for prefix in _COMMANDS if key.startswith(prefix)), "")
    return any(p.startswith(switch) and _matches(key, p) for p in patterns)


def _matches(key: str, pattern: str) -> bool:
    """Return whether `pattern` matches; only * is special, as the names have ? and [ nowhere."""
    return fnmatchcase(key, pattern.replace("[", "[[]").replace("?", "[?]"))
