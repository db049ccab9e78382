"""The namespaces of a container.

The pod's net, ipc and uts namespaces are pinned under paths before any container exists; its pid
namespace exists only if the pod shares it. A kind without a path is the host's.
"""

from collections.abc import Mapping

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import userns
from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri

NEW = ""  # as a path: a new namespace for this container
_OCI_KIND = {"net": "network", "ipc": "ipc", "uts": "uts", "pid": "pid", "user": "user"}
_FIELD = "config.linux.security_context.namespace_options.pid"
_OF_POD = "sandbox_config.linux.security_context.namespace_options"
_FIELDS = {  # the pod's own uts namespace goes with its network
    "net": f"{_OF_POD}.network",
    "ipc": f"{_OF_POD}.ipc",
    "uts": f"{_OF_POD}.network",
    "pid": _FIELD,
    "user": f"{_OF_POD}.userns_options",
}


def of_pod(pod: api_pb2.PodSandboxConfig) -> list[str]:
    """Return the kinds of namespaces that the pod does not share with the host.

    The pod has its own uts namespace if it has its own network.
    """
    options = pod.linux.security_context.namespace_options
    own = {
        "user": userns.of_pod(pod) is not None,
        "net": options.network != api_pb2.NODE,
        "ipc": options.ipc == api_pb2.POD,
        "uts": options.network != api_pb2.NODE,
        "pid": options.pid == api_pb2.POD,
    }
    return [kind for kind, is_own in own.items() if is_own]


def for_container(
    config: api_pb2.ContainerConfig,
    pod: api_pb2.PodSandboxConfig,
    pinned: Mapping[str, str],
    target: str = "",
) -> dict[str, str]:
    """Return the paths by kind, for ContainerInput.namespaces.

    `pinned` has the paths of the pod's own namespaces, see `of_pod`; `target` is the path of the
    TARGET container's pid namespace. A container without namespace options has the pid mode of its
    pod.
    """
    found = {kind: pinned[kind] for kind in ("user", "net", "ipc", "uts") if kind in pinned}
    context = config.linux.security_context
    if not context.HasField("namespace_options"):
        context_options = pod.linux.security_context.namespace_options
    else:
        context_options = context.namespace_options
    mode = context_options.pid
    if mode == api_pb2.NODE:
        return found
    if mode == api_pb2.CONTAINER:
        return found | {"pid": NEW}
    path = target if mode == api_pb2.TARGET else pinned.get("pid", "")
    if not path:
        problem = (
            "TARGET needs a running target container"
            if mode == api_pb2.TARGET
            else "POD, but this pod was made without a shared pid namespace; use CONTAINER"
        )
        raise InvalidArgument(_FIELD, problem)
    return found | {"pid": path}


def target(config: api_pb2.ContainerConfig) -> str:
    """Return the id of the container whose pid namespace this one joins; "" for none."""
    options = config.linux.security_context.namespace_options
    return options.target_id if options.pid == api_pb2.TARGET else ""


def build(
    namespaces: Mapping[str, str], *, cgroup: bool, origins: Origins = OFF
) -> list[dict[str, str]]:
    """Return linux.namespaces; the mount namespace is always new, the cgroup one if `cgroup`."""
    entries = [{"type": "mount"}]
    for kind, oci_kind in _OCI_KIND.items():
        path = namespaces.get(kind)
        if path is not None:
            entries.append({"type": oci_kind} | ({"path": path} if path else {}))
    if cgroup:
        entries.append({"type": "cgroup"})
    if origins:
        for kind, oci_kind in _OCI_KIND.items():
            origins.put(cri(_FIELDS[kind]), "linux", "namespaces", oci_kind)
        for kind in ("mount", "cgroup"):
            origins.put(BUILT_IN, "linux", "namespaces", kind)
    return entries
