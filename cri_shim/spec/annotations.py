"""Annotations of the document: the container's own, and the names of its pod and image.

OCI hooks and VM runtimes already look for the io.kubernetes.cri names.
"""

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
) -> dict[str, str]:
    """Return the annotations of a "container", or of a "sandbox" (the pause process of a pod)."""
    own = config.annotations if config is not None else pod.annotations
    found = {key: own[key] for key in sorted(own) if not key.startswith(_COMMANDS)}
    found["io.kubernetes.cri.container-type"] = kind
    if config is not None:
        found["io.kubernetes.cri.container-name"] = config.metadata.name
        found["io.kubernetes.cri.image-name"] = image_name
    found["io.kubernetes.cri.sandbox-id"] = pod_id
    found["io.kubernetes.cri.sandbox-name"] = pod.metadata.name
    found["io.kubernetes.cri.sandbox-namespace"] = pod.metadata.namespace
    found["io.kubernetes.cri.sandbox-uid"] = pod.metadata.uid
    return found
