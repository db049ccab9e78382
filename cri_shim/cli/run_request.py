"""What `run` asks of the daemon: the configurations of a pod and of its container. Pure."""

import argparse
import json
import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.cli.exit_codes import UsageError

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2

CONTAINER = "main"
LOG = "0.log"
_PERIOD_US = 100_000  # of the CPU quota
_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST_PORT = 65535


def pod(args: argparse.Namespace) -> "api_pb2.PodSandboxConfig":
    """Return the pod; the daemon keeps its logs."""
    from cri_shim.pb import api_pb2 as api

    uid = str(uuid.uuid4())
    name = args.name or f"run-{uid[:8]}"
    config = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name=name, namespace="default", uid=uid),
        hostname="" if args.network == "host" else (args.hostname or _hostname(name)),
        labels=dict(args.label),
        port_mappings=[port(text) for text in args.publish],
    )
    context = config.linux.security_context
    context.privileged = args.privileged
    _namespaces(context.namespace_options, args)
    if args.network == "host" and args.publish:
        raise UsageError("-p has no effect with --network host: leave out one of them")
    return config


def _hostname(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].rstrip("-")


def container(args: argparse.Namespace, image: str) -> "api_pb2.ContainerConfig":
    from cri_shim.pb import api_pb2 as api

    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name=CONTAINER),
        image=api.ImageSpec(image=image, user_specified_image=args.image),
        command=_entrypoint(args.entrypoint),
        args=args.args,
        envs=[api.KeyValue(key=key, value=os.fsencode(value)) for key, value in args.env],
        working_dir=args.workdir,
        mounts=[volume(text) for text in args.volume],
        log_path=LOG,
        stdin=args.interactive,
        stdin_once=args.interactive,
        tty=args.tty,
        labels=dict(args.label),
    )
    context = config.linux.security_context
    context.privileged = args.privileged
    context.readonly_rootfs = args.read_only
    context.capabilities.add_capabilities.extend(args.cap_add)
    context.capabilities.drop_capabilities.extend(args.cap_drop)
    _namespaces(context.namespace_options, args)
    _user(context, args.user)
    limits = config.linux.resources
    limits.memory_limit_in_bytes = args.memory
    if args.cpus:
        limits.cpu_period, limits.cpu_quota = _PERIOD_US, round(args.cpus * _PERIOD_US)
    return config


def _namespaces(options: "api_pb2.NamespaceOption", args: argparse.Namespace) -> None:
    from cri_shim.pb import api_pb2 as api

    options.pid = api.CONTAINER
    if args.network == "host":
        options.network = api.NODE


def _user(context: "api_pb2.LinuxContainerSecurityContext", text: str) -> None:
    user, _, group = text.partition(":")
    if user.isdecimal():
        context.run_as_user.value = int(user)
    elif user:
        context.run_as_username = user
    if group and not group.isdecimal():
        raise UsageError(f"--user {text}: the group must be a number")
    if group:
        context.run_as_group.value = int(group)


def _entrypoint(text: str | None) -> list[str]:
    """Return the words of a program, or of a JSON list, as podman has it."""
    if not text:
        return []
    if not text.startswith("["):
        return [text]
    try:
        words = json.loads(text)
    except ValueError as e:
        raise UsageError(f"--entrypoint {text}: it is not a JSON list: {e}") from e
    return [str(word) for word in words]


def volume(text: str) -> "api_pb2.Mount":
    """Parse HOST:CONTAINER[:OPTION,...]; options are ro, rw, rslave, rshared and rprivate."""
    from cri_shim.pb import api_pb2 as api

    host, colon, rest = text.partition(":")
    inside, _, options = rest.partition(":")
    if not (host and colon and inside.startswith("/")):
        raise UsageError(f"-v {text}: must be HOST:CONTAINER[:ro], such as /data:/data")
    if "/" not in host and host not in (".", ".."):
        raise UsageError(
            f"-v {text}: there are no named volumes; a path of the node has a slash: ./{host}"
        )
    mount = api.Mount(host_path=str(Path(host).absolute()), container_path=inside)
    for option in filter(None, options.split(",")):
        match option:
            case "ro":
                mount.readonly = True
            case "rw" | "rbind":
                pass
            case "z" | "Z":
                mount.selinux_relabel = True
            case "rprivate" | "private":
                mount.propagation = api.PROPAGATION_PRIVATE
            case "rslave" | "slave":
                mount.propagation = api.PROPAGATION_HOST_TO_CONTAINER
            case "rshared" | "shared":
                mount.propagation = api.PROPAGATION_BIDIRECTIONAL
            case _:
                raise UsageError(f"-v {text}: there is no option {option}")
    return mount


def port(text: str) -> "api_pb2.PortMapping":
    """Parse [[IP:]HOST:]CONTAINER[/PROTOCOL]; without HOST the port is the same on the node."""
    from cri_shim.pb import api_pb2 as api

    ports, _, protocol = text.partition("/")
    *address, inside = ports.rsplit(":", 2)
    outside = address.pop() if address else inside
    ip = address.pop() if address else ""
    numbers = [int(word) if word.isdecimal() else 0 for word in (inside, outside)]
    if not all(1 <= number <= _HIGHEST_PORT for number in numbers):
        raise UsageError(f"-p {text}: must be [[IP:]PORT:]PORT[/tcp], such as 8080:80")
    if (protocol or "tcp") not in _PROTOCOLS:
        raise UsageError(f"-p {text}: {protocol} is none of {', '.join(_PROTOCOLS)}")
    return api.PortMapping(
        protocol=api.Protocol.Value((protocol or "tcp").upper()),
        container_port=numbers[0],
        host_port=numbers[1],
        host_ip=ip.strip("[]"),
    )
