"""The full description of a container or pod, JSON-able, with podman's keys where they fit."""

from pathlib import Path
from typing import Any

from cri_shim import lifecycle
from cri_shim.containers import sources
from cri_shim.engine import Engine
from cri_shim.library.handle import text
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query as pod_query
from cri_shim.spec import signals


def status(container: state.ContainerRecord) -> str:
    """created, starting, running, paused, exited or removing."""
    return "paused" if lifecycle.is_paused(container) else lifecycle.name(container)


def container(engine: Engine, record: state.ContainerRecord) -> dict[str, Any]:
    """Describe a container. Times are RFC 3339; `HostConfig` shows the limits in effect."""
    document = _document(engine.paths.bundle(record.id))
    config = record.config
    process = document.get("process") or {}
    args = process.get("args") or [*config.command, *config.args]
    where = engine.paths.etc(record.pod_id)
    pod = engine.objects.find_pod(record.pod_id)
    return {
        "Id": record.id,
        "Created": text(record.created_at),
        "Path": args[0] if args else "",
        "Args": args[1:],
        "State": _state(record, document),
        "Image": record.image_id,
        "ImageName": record.image_name,
        "ImageDigest": record.image_ref,
        "Pod": record.pod_id,
        "Name": config.metadata.name,
        "Attempt": config.metadata.attempt,
        "Namespace": record.state_namespace,
        "Rootfs": str(engine.paths.rootfs(record.id)),
        "OCIConfigPath": str(engine.paths.bundle(record.id) / "config.json"),
        "OCIRuntime": record.handler,
        "ResolvConfPath": str(where / "resolv.conf"),
        "HostnamePath": str(where / "hostname"),
        "HostsPath": str(where / "hosts"),
        "LogPath": record.log_path,
        "Dependencies": list(record.depends_on),
        "GraphDriver": {"Name": "overlay", "Layers": list(record.layers)},
        "Mounts": [_mount(mount) for mount in config.mounts],
        "NetworkSettings": {} if pod is None else _network(pod),
        "Config": _config(record, process),
        "HostConfig": _host_config(document),
    }


def _state(record: state.ContainerRecord, document: dict[str, Any]) -> dict[str, Any]:
    alive = lifecycle.has_process(record)
    return {
        "OciVersion": document.get("ociVersion") or "",
        "Status": status(record),
        "Running": lifecycle.is_running(record),
        "Paused": lifecycle.is_paused(record),
        "OOMKilled": record.reason == "OOMKilled",
        "Pid": record.init.pid if alive else 0,
        "ConmonPid": record.monitor.pid if alive else 0,
        "ExitCode": record.exit_code,
        "Reason": record.reason,
        "Error": record.message,
        "StartedAt": text(record.started_at),
        "FinishedAt": text(record.finished_at),
        "CgroupPath": record.cgroups_path,
    }


def _config(record: state.ContainerRecord, process: dict[str, Any]) -> dict[str, Any]:
    config, user = record.config, record.user
    return {
        "User": f"{user.uid}:{user.gid}",
        "Tty": config.tty,
        "OpenStdin": config.stdin,
        "StdinOnce": config.stdin_once,
        "Env": process.get("env") or [],
        "Cmd": [*config.command, *config.args],
        "WorkingDir": process.get("cwd") or config.working_dir,
        "Labels": dict(config.labels),
        "Annotations": dict(config.annotations),
        "StopSignal": signals.number(record.stop_signal),
    }


def _host_config(document: dict[str, Any]) -> dict[str, Any]:
    linux, process = document.get("linux") or {}, document.get("process") or {}
    return {
        "ReadonlyRootfs": bool((document.get("root") or {}).get("readonly")),
        "Resources": linux.get("resources") or {},
        "Capabilities": sorted((process.get("capabilities") or {}).get("bounding") or []),
        "OomScoreAdj": process.get("oomScoreAdj") or 0,
        "NoNewPrivileges": bool(process.get("noNewPrivileges")),
        "Namespaces": {n["type"]: n.get("path") or "" for n in linux.get("namespaces") or []},
    }


def _mount(mount: api.Mount) -> dict[str, Any]:
    image = mount.HasField("image")
    return {
        "Type": "image" if image else "bind",
        "Source": mount.image.image if image else mount.host_path,
        "Destination": mount.container_path,
        "RW": not mount.readonly,
        "Propagation": api.MountPropagation.Name(mount.propagation),
    }


def _network(pod: state.PodRecord) -> dict[str, Any]:
    return {
        "IPAddresses": list(pod.network.ips),
        "SandboxKey": pod.network.netns_path,
        "Networks": {a.network: {"Interface": a.interface} for a in pod.network.attachments},
    }


def pod(engine: Engine, record: state.PodRecord) -> dict[str, Any]:
    """Describe a pod, with one entry for each of its containers."""
    config = record.config
    options = config.linux.security_context.namespace_options
    shared = {"net": True, "uts": not record.network.host, "ipc": options.ipc == api.POD}
    shared["pid"] = options.pid == api.POD
    return {
        "Id": record.id,
        "Name": config.metadata.name,
        "Namespace": config.metadata.namespace,
        "Uid": config.metadata.uid,
        "Attempt": config.metadata.attempt,
        "Created": text(record.created_at),
        "State": "Ready" if pod_query.state_of(record) == api.SANDBOX_READY else "NotReady",
        "Hostname": config.hostname,
        "Labels": dict(config.labels),
        "Annotations": dict(config.annotations),
        "CgroupParent": record.cgroup_parent,
        "OCIRuntime": record.handler,
        "StateNamespace": record.state_namespace,
        "LogDirectory": config.log_directory,
        "HostNetwork": record.network.host,
        "SharedNamespaces": [kind for kind, is_shared in shared.items() if is_shared],
        "NetworkSettings": _network(record),
        "Containers": [
            {"Id": c.id, "Name": c.config.metadata.name, "State": status(c)}
            for c in engine.objects.containers_of(record.id)
        ],
    }


def _document(where: Path) -> dict[str, Any]:
    try:
        return sources.restored(where, bundle.spec(where))
    except (OSError, ValueError):
        return {}  # the container is being created, or a reboot removed the bundle
