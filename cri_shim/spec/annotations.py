"""Annotations of the document: the container's own, and the names of its pod and image.

The administrator may give a handler's containers further ones, and may let some of the pod's
annotations through. Those of the container win over those of the pod, and these over the others.

OCI hooks and VM runtimes already look for the io.kubernetes.cri names.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from cri_shim.pb import api_pb2
from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri, of_annotation
from cri_shim.spec.origins import default as default_of

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
    origins: Origins = OFF,
    handler: str = "",
) -> dict[str, str]:
    """Return the annotations of a "container", or of a "sandbox" (the pause process of a pod).

    `default` are those of the handler, `allowed` are its patterns for annotations of the pod; both
    are for containers. `handler` is its name for `origins`.
    """
    own = config.annotations if config is not None else pod.annotations
    found = dict(default)
    patterns = tuple(allowed)
    passed = {k: v for k, v in sorted(pod.annotations.items()) if is_allowed(k, patterns)}
    own_passed = {key: own[key] for key in sorted(own) if not key.startswith(_COMMANDS)}
    found |= passed | own_passed
    if origins:
        origins.put(BUILT_IN, "annotations")
        for key in default:
            origins.put(_of_handler(handler), "annotations", key)
        for key in passed:
            origins.put(of_annotation(f"of the pod, {key}"), "annotations", key)
        for key in own_passed:
            origins.put(cri("config.annotations"), "annotations", key)
    return found | _names(kind, pod_id, pod, config, image_name, origins)


def _of_handler(name: str) -> str:
    return default_of(f"runtimes.{name}.default_annotations")


def _names(
    kind: str,
    pod_id: str,
    pod: api_pb2.PodSandboxConfig,
    config: api_pb2.ContainerConfig | None,
    image_name: str,
    origins: Origins,
) -> dict[str, str]:
    """Return the annotations that name the container and its pod; no other may replace them."""
    of_pod = {name: getattr(pod.metadata, name) for name in ("name", "namespace", "uid")}
    found = {"container-type": kind, "sandbox-id": pod_id}
    fields = {}
    if config is not None:
        found |= {"container-name": config.metadata.name, "image-name": image_name}
        fields = {"container-name": "config.metadata.name", "image-name": "config.image"}
    found |= {f"sandbox-{name}": value for name, value in of_pod.items()}
    fields |= {f"sandbox-{name}": f"sandbox_config.metadata.{name}" for name in of_pod}
    if origins:
        for name in found:
            origin = cri(fields[name]) if name in fields else BUILT_IN
            origins.put(origin, "annotations", f"io.kubernetes.cri.{name}")
    return {f"io.kubernetes.cri.{name}": value for name, value in found.items()}


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
