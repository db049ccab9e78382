"""The OCI document of a container, built before any process exists.

plan.py lists the edits that follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import (
    annotations,
    capabilities,
    cdi,
    devices,
    mounts,
    namespaces,
    node_defaults,
    process,
    resources,
    scope,
)
from cri_shim.spec.document import OCI_VERSION, Document
from cri_shim.spec.hooks import Definition
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.mounts import ResolvedMount
from cri_shim.spec.node_defaults import HandlerDefaults, NodeDefaults
from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri, default
from cri_shim.spec.protection import NONE, Protection
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User


@dataclass(frozen=True, slots=True)
class ContainerInput:
    """Everything that the document of a container depends on: the request and facts of the node."""

    id: str
    pod_id: str
    pod: api_pb2.PodSandboxConfig
    config: api_pb2.ContainerConfig
    image: ImageConfig
    user: User
    host: Host
    cgroups_path: str  # OCI linux.cgroupsPath, in the form of the cgroup driver
    namespaces: Mapping[str, str]  # namespaces.for_container: kind -> path; "" = new; absent = host
    hostname: str  # of its uts namespace
    etc_files: Mapping[str, str] = field(default_factory=dict)  # container path -> host path
    shm: str = ""  # host path of the pod's /dev/shm
    mounts: Sequence[ResolvedMount] = ()  # config.mounts, resolved
    default_mounts: Sequence[ResolvedMount] = ()  # for every container of the node
    volumes: Mapping[str, str] = field(default_factory=dict)  # VOLUMEs: path -> its real path
    real_paths: Mapping[str, str] = field(
        default_factory=dict
    )  # container path -> without symlinks
    devices: Sequence[HostDevice] = ()  # config.devices, resolved
    node_devices: Sequence[HostDevice] = ()  # node.devices, resolved
    annotated_devices: Sequence[HostDevice] = ()  # of the pod's annotation, resolved
    cdi_edits: cdi.Edits = cdi.NO_EDITS  # of the requested CDI devices
    cdi_nodes: Sequence[HostDevice] = ()  # cdi_edits.nodes as they are on the host
    hooks: Sequence[Definition] = ()  # of the node
    rootfs: str = "rootfs"  # absolute, or relative to the bundle
    image_name: str = ""
    pids_limit: int = 0  # 0 = only the limit of its pod
    protection: Protection = NONE
    rro: bool = False  # the OCI runtime can mount read-only recursively
    node: NodeDefaults = node_defaults.NONE
    of_handler: HandlerDefaults = node_defaults.NONE_OF_HANDLER
    handler: str = ""  # its name
    origins: Origins = OFF
    ids: IdMap | None = None  # listed with the user namespace if Handler.maps_ids

    @property
    def has_host_devices(self) -> bool:
        """Whether the container gets every device of the node: a privileged one, by default."""
        context = self.config.linux.security_context
        return context.privileged and self.of_handler.host_devices

    @property
    def all_devices(self) -> Sequence[HostDevice]:
        """The nodes that are added to the usual ones; a later one replaces its path."""
        return [*self.node_devices, *self.annotated_devices, *self.devices]


def build(inp: ContainerInput) -> Document:
    """Return the runtime-spec document. InvalidArgument names the wrong field.

    The document has no hostname and no sysctls: the pod's namespaces have them already.
    """
    context = inp.config.linux.security_context
    if context.privileged and not inp.pod.linux.security_context.privileged:
        problem = "a privileged container needs a privileged pod"
        raise InvalidArgument("config.linux.security_context.privileged", problem)
    if inp.origins:
        _record(inp)
    return {
        "ociVersion": OCI_VERSION,
        "process": _process(inp),
        "root": {"path": inp.rootfs, "readonly": context.readonly_rootfs},
        "mounts": mounts.build(
            inp.mounts,
            inp.etc_files,
            inp.shm,
            privileged=context.privileged,
            readonly_rootfs=context.readonly_rootfs,
            sys_readonly=_sys_readonly(inp),
            origins=inp.origins,
        ),
        # A property of the scope that the administrator has set wins over ours.
        "annotations": scope.annotations(
            inp.cgroups_path, inp.config.annotations, inp.pids_limit, inp.origins
        )
        | annotations.build(
            "container",
            inp.pod_id,
            inp.pod,
            inp.config,
            inp.image_name,
            inp.of_handler.annotations,
            inp.of_handler.allowed_annotations,
            inp.origins,
            inp.handler,
        ),
        "linux": _linux(inp),
    }


def _record(inp: ContainerInput) -> None:
    """Record the origins of the fields that are copied from the request here, or are constant."""
    context, origins = "config.linux.security_context", inp.origins
    parent = cri("sandbox_config.linux.cgroup_parent")
    for origin, *path in (
        (BUILT_IN, "ociVersion"),
        (BUILT_IN, "root", "path"),
        (cri(f"{context}.readonly_rootfs"), "root", "readonly"),
        (cri("config.tty"), "process", "terminal"),
        (cri(f"{context}.no_new_privs"), "process", "noNewPrivileges"),
        (parent if inp.pod.linux.cgroup_parent else BUILT_IN, "linux", "cgroupsPath"),
        (cri("config.devices"), "linux", "devices"),
        (cri("config.linux.resources"), "linux", "resources"),
        (default("containers.pids_limit"), "linux", "resources", "pids"),
        (cri("config.mounts"), "linux", "rootfsPropagation"),
        (cri(f"{context}.masked_paths"), "linux", "maskedPaths"),
        (cri(f"{context}.readonly_paths"), "linux", "readonlyPaths"),
        (cri("sandbox_config.linux.security_context.namespace_options"), "linux", "uidMappings"),
        (cri("sandbox_config.linux.security_context.namespace_options"), "linux", "gidMappings"),
    ):
        origins.put(origin, *path)
    inp.protection.record(origins)


def _sys_readonly(inp: ContainerInput) -> str:
    """Return how the node's /sys is bound for a user namespace on the node's network, else ""."""
    if "user" not in inp.namespaces or "net" in inp.namespaces:
        return ""
    return "rro" if inp.rro else "ro"


def _process(inp: ContainerInput) -> dict[str, Any]:
    context = inp.config.linux.security_context
    score = inp.config.linux.resources.oom_score_adj
    return {
        "terminal": inp.config.tty,
        "user": process.user(inp.user),
        "args": process.arguments(inp.config, inp.image, inp.origins),
        "env": process.environment(
            inp.config, inp.image, inp.hostname, inp.user.home, inp.node.env, inp.origins
        ),
        "cwd": process.working_directory(inp.config, inp.image, inp.origins),
        "capabilities": capabilities.build(
            context,
            inp.host,
            inp.node.capabilities,
            inheritable=inp.node.inheritable,
            origins=inp.origins,
        ),
        "noNewPrivileges": context.no_new_privs,
        "oomScoreAdj": resources.oom_score_adj(score, inp.host, inp.origins),
        **process.limits(inp.host, inp.node.rlimits, inp.origins),
    } | inp.protection.of_process()


def _linux(inp: ContainerInput) -> dict[str, Any]:
    context = inp.config.linux.security_context
    privileged = context.privileged
    resources.check_minimum(inp.config.linux.resources, inp.of_handler.min_memory)
    limits = resources.to_oci(inp.config.linux.resources, inp.host, origins=inp.origins)
    limits["devices"] = devices.rules(
        inp.all_devices, privileged=inp.has_host_devices, origins=inp.origins
    )
    if inp.pids_limit:
        limits["pids"] = {"limit": inp.pids_limit}
    # On v1 a cgroup namespace would hide nothing, since the mounts are bound from the host's.
    own_cgroup = inp.host.cgroup_v2 and not privileged
    linux: dict[str, Any] = {
        "namespaces": namespaces.build(inp.namespaces, cgroup=own_cgroup, origins=inp.origins),
        "devices": devices.nodes(
            inp.all_devices,
            inp.host.devices,
            privileged=inp.has_host_devices,
            origins=inp.origins,
        ),
        "cgroupsPath": inp.cgroups_path,
        "resources": limits,
    }
    if inp.ids is not None:
        linux |= inp.ids.of_linux()
    propagation = mounts.rootfs_propagation(inp.mounts)
    if propagation:
        linux["rootfsPropagation"] = propagation
    if not privileged:
        # The kubelet's lists are used unchanged; an empty list means that nothing is hidden.
        linux["maskedPaths"] = list(context.masked_paths)
        linux["readonlyPaths"] = list(context.readonly_paths)
    return linux | inp.protection.of_linux()
