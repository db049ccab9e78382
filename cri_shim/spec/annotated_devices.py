"""Devices that a pod requests by an annotation, as with CRI-O.

The value is a list of HOST[:CONTAINER][:ACCESS], separated by commas. The annotation has no effect
unless the handler allows it, and it is refused for a device that the node does not allow.
"""

import posixpath
from collections.abc import Collection, Sequence

from cri_shim.config import devices
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import annotations
from cri_shim.untrusted import printable

NAMES = ("devices.crio.io", "io.kubernetes.cri-o.Devices")  # CRI-O's new and old one; one counts
MOST = 64  # devices of one annotation


def used(pod: api_pb2.PodSandboxConfig, patterns: Sequence[str]) -> str:
    """Return the annotation that counts: the first of NAMES that is there and allowed; else ""."""
    names = (n for n in NAMES if n in pod.annotations and annotations.is_allowed(n, patterns))
    return next(names, "")


def requested(
    pod: api_pb2.PodSandboxConfig, patterns: Sequence[str], allowed: Collection[str]
) -> list[api_pb2.Device]:
    """Return the devices of the annotation; InvalidArgument names it.

    `patterns` are the handler's allowed_annotations, `allowed` the paths of allowed_devices.
    """
    name = used(pod, patterns)
    if not name:
        return []
    texts = [text.strip() for text in pod.annotations[name].split(",") if text.strip()]
    if len(texts) > MOST:
        raise InvalidArgument(field(name), f"has {len(texts)} devices, {MOST} are allowed")
    return [_device(text, field(name), allowed) for text in texts]


def field(name: str) -> str:
    """Return the path of an annotation in a request."""
    return f"sandbox_config.annotations[{name}]"


def _device(text: str, at: str, allowed: Collection[str]) -> api_pb2.Device:
    try:
        host, path, access = devices.parse(text)
    except ValueError as e:
        raise InvalidArgument(at, str(e)) from e
    if host not in {posixpath.normpath(one) for one in allowed}:
        problem = f"{printable(host, 100)} is not in containers.allowed_devices of this node"
        raise InvalidArgument(at, problem)
    return api_pb2.Device(host_path=host, container_path=path, permissions=access)
