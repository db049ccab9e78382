"""Answers ListPodSandbox and PodSandboxStatus from records alone."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from google.protobuf.json_format import MessageToDict

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.linux.nsenter import is_pinned
from cri_shim.objects import ObjectStore, matches
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.files import hostname
from cri_shim.spec import sandbox
from cri_shim.spec.document import Document
from cri_shim.state import rows


def state_of(pod: state.PodRecord) -> api.PodSandboxState.ValueType:
    """Return READY or NOTREADY; a pod that is being removed is NOTREADY."""
    return api.SANDBOX_READY if lifecycle.is_ready(pod) else api.SANDBOX_NOTREADY


def listed(engine: Engine, filter: api.PodSandboxFilter) -> Iterable[api.PodSandbox]:
    """Yield the pods that pass every set field of `filter`; not those being created."""
    for pod in engine.objects.each_pod():
        found = rows.row("pod", pod.id, _listed, pod, filter)
        if found is not None:
            yield found


def _listed(pod: state.PodRecord, filter: api.PodSandboxFilter) -> api.PodSandbox | None:
    return row(pod) if is_listed(pod, filter) else None


def is_listed(pod: state.PodRecord, filter: api.PodSandboxFilter) -> bool:
    """Whether the pod passes every set field of `filter`; one that is being created does not."""
    return (
        pod.phase != state.POD_CREATING
        and pod.id.startswith(filter.id)
        and (not filter.HasField("state") or state_of(pod) == filter.state.state)
        and (
            not filter.label_selector
            or matches(pod.config.labels.items(), filter.label_selector.items())
        )
    )


def row(pod: state.PodRecord) -> api.PodSandbox:
    """Return the pod as it is in lists."""
    return api.PodSandbox(
        id=pod.id,
        metadata=pod.config.metadata,
        state=state_of(pod),
        created_at=pod.created_at,
        labels=pod.config.labels,
        annotations=pod.config.annotations,
        runtime_handler=pod.runtime_handler,
    )


def status(pod: state.PodRecord) -> api.PodSandboxStatus:
    """Return the PodSandboxStatus of a record; a pod on the node's network has no address."""
    options = pod.config.linux.security_context.namespace_options
    answer = api.PodSandboxStatus(
        id=pod.id,
        metadata=pod.config.metadata,
        state=state_of(pod),
        created_at=pod.created_at,
        network=api.PodSandboxNetworkStatus(
            ip=pod.network.ips[0] if pod.network.ips else "",
            additional_ips=[api.PodIP(ip=ip) for ip in pod.network.ips[1:]],
        ),
        labels=pod.config.labels,
        annotations=pod.config.annotations,
        runtime_handler=pod.runtime_handler,
    )
    answer.linux.namespaces.options.CopyFrom(options)
    return answer


def containers(objects: ObjectStore, pod_id: str) -> list[state.ContainerRecord]:
    """Return the containers of a pod that its status has; not those being created."""
    return [
        container
        for container in objects.containers_of(pod_id)
        if container.phase != state.CONTAINER_CREATING
    ]


def info(engine: Engine, pod: state.PodRecord) -> dict[str, str]:
    """Return the verbose map: "info" holds JSON with runtimeSpec, netns, the CNI result, ...

    Names and forms are containerd's where it has the same value, because tools read them. `pid` is
    there only if the pod has a process of its own: `netns` leads into every pod.
    """
    facts: dict[str, Any] = {
        "config": MessageToDict(pod.config, preserving_proto_field_name=True),
        "runtimeSpec": _document(engine, pod),
        "runtimeHandler": pod.handler,
        "netns": pod.network.netns_path,
        "netNamespaceClosed": not pod.network.host and not is_pinned(engine.paths.netns(pod.id)),
        "cniResult": json.loads(pod.network.result) if pod.network.result else None,
        "cgroupParent": pod.cgroup_parent,
        "resources": MessageToDict(pod.config.linux.resources),
        "overhead": MessageToDict(pod.config.linux.overhead),
        "phase": state.PodPhase.Name(pod.phase),
    }
    if pod.HasField("pause"):
        facts["pid"] = pod.pause.pid if lifecycle.is_ready(pod) else 0
    return {"info": json.dumps(facts)}


def _document(engine: Engine, pod: state.PodRecord) -> Document:
    """Return the pause process's document, or the document that it would have."""
    if pod.HasField("pause"):
        with suppress(OSError, ValueError):  # lost in a reboot: run_root is in memory
            return bundle.spec(engine.paths.pod(pod.id) / "pause")
    pinned = {kind: str(path) for kind, path in engine.paths.pins(pod).items()}
    cgroups_path = engine.cgroups.oci_path(pod.cgroup_parent, pod.id)
    return sandbox.build(pod.id, pod.config, pinned, cgroups_path, hostname(pod.config))
