"""The record of a new pod, from its request; nothing is written or made.

Everything that needs no I/O is checked here.
"""

import time

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.isolation import sysctls
from cri_shim.isolation.sysctls import Parameter
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import namespaces as spec_namespaces
from cri_shim.spec import userns
from cri_shim.state.records import VERSIONS


def pod(
    engine: Engine,
    request: api.RunPodSandboxRequest,
    *,
    id: str,
    lease: "state.Lease.ValueType" = state.LEASE_NONE,
) -> state.PodRecord:
    """Return the record of a new pod without its network; nothing is written or made.

    InvalidArgument or WrongState for a request that this node cannot serve.
    """
    handler = engine.oci.chosen(request.runtime_handler)
    if userns.of_pod(request.config) is not None and handler.userns_problem:
        problem = (
            f"POD, but handler {handler.name} has no user namespaces: {handler.userns_problem}"
        )
        raise InvalidArgument(f"{userns.FIELD}.mode", problem)
    if shares_pid_namespace(request.config) and not engine.defaults.pause_init:
        raise WrongState(
            "the pod asks for one pid namespace for all its containers, and this node has no"
            " catatonit to hold it: install the package catatonit or set init_path, and restart"
        )
    options = request.config.linux.security_context.namespace_options
    host_network = options.network == api.NODE
    record = state.PodRecord(
        version=VERSIONS["pod"],
        id=id,
        state_namespace=engine.objects.state_namespace,
        phase=state.POD_CREATING,
        config=request.config,
        runtime_handler=request.runtime_handler,
        handler=handler.name,
        created_at=time.time_ns(),
        boot_id=engine.boot_id,
        network=state.PodNetwork(
            host=host_network,
            netns_path="" if host_network else str(engine.paths.netns(id)),
        ),
        cgroup_parent=request.config.linux.cgroup_parent,
        lease=lease,
    )
    parameters(engine, record)  # refuses an invalid sysctl
    engine.cgroups.oci_path(record.cgroup_parent, id)  # refuses an invalid cgroup parent
    return record


def own_namespaces(record: state.PodRecord) -> list[str]:
    """Return the kinds of namespaces that exist from the beginning: pid needs a process first."""
    return [kind for kind in spec_namespaces.of_pod(record.config) if kind != "pid"]


def parameters(engine: Engine, record: state.PodRecord) -> list[Parameter]:
    """Return the kernel parameters of the pod; InvalidArgument for an invalid one."""
    requested = record.config.linux.sysctls
    return sysctls.parameters(requested, own_namespaces(record), engine.defaults.sysctls)


def shares_pid_namespace(config: api.PodSandboxConfig) -> bool:
    """Return whether the containers have one pid namespace together."""
    return config.linux.security_context.namespace_options.pid == api.POD
