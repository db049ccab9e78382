"""Makes configurations of the CRI from a few arguments, for programs without a kubelet."""

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from google.protobuf.message import Message

from cri_shim.errors import InvalidArgument
from cri_shim.library.image import Image
from cri_shim.pb import api_pb2 as api
from cri_shim.untrusted import printable

NAMESPACE = "default"
M = TypeVar("M", bound=Message)
StrPath = str | os.PathLike[str]


class PodFields(TypedDict, total=False):
    """The arguments of a pod. Those that are not explained here are fields of the CRI."""

    name: str  # generated if missing
    namespace: str  # of Kubernetes; default: "default"
    uid: str  # generated if missing
    hostname: str  # default: made from the name
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    log_directory: StrPath  # for the logs of its containers
    host_network: bool  # the network of the node, not one of its own
    share_pids: bool  # one pid namespace for all its containers
    port_mappings: Sequence[api.PortMapping]
    dns_config: api.DNSConfig
    linux: api.LinuxPodSandboxConfig


class ContainerFields(TypedDict, total=False):
    """The arguments of a container. Those that are not explained here are fields of the CRI."""

    env: Mapping[str, str]
    args: Sequence[str]  # in place of the image's CMD
    working_dir: str
    mounts: Sequence[api.Mount]
    devices: Sequence[api.Device]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    log_path: str  # below the pod's log_directory; default: NAME.log
    tty: bool
    stdin: bool
    stdin_once: bool
    stop_signal: "api.Signal.ValueType"
    CDI_devices: Sequence[api.CDIDevice]
    linux: api.LinuxContainerConfig


def pod(name: str, fields: PodFields) -> api.PodSandboxConfig:
    """Configure a pod with its own network or the host's, and a pid namespace for each container or
    a shared one.
    """
    more: dict[str, Any] = {**fields}
    more.pop("name", None)
    metadata = api.PodSandboxMetadata(
        name=name,
        namespace=more.pop("namespace", NAMESPACE),
        uid=more.pop("uid", "") or secrets.token_hex(16),
    )
    share_pids, host_network = more.pop("share_pids", False), more.pop("host_network", False)
    more["log_directory"] = os.fspath(more.get("log_directory", ""))
    config = _filled(api.PodSandboxConfig(metadata=metadata), more)
    options = config.linux.security_context.namespace_options
    options.pid = api.POD if share_pids else api.CONTAINER
    if host_network:
        options.network = api.NODE
    elif not config.hostname:
        config.hostname = _hostname(name)
    return config


def _hostname(name: str) -> str:
    """Return the name with dashes in place of characters that a host name cannot have."""
    made = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
    return made[:63].rstrip("-")


def container(
    image: Image | str, command: Sequence[str], name: str, fields: ContainerFields
) -> api.ContainerConfig:
    """Configure a container of an image."""
    more: dict[str, Any] = {"log_path": f"{name}.log", **fields}
    env = more.pop("env", {})
    more["envs"] = [api.KeyValue(key=key, value=os.fsencode(env[key])) for key in env]
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name=name),
        image=api.ImageSpec(image=image if isinstance(image, str) else image.id),
        command=command,
    )
    return _filled(config, more)


def _filled(config: M, fields: Mapping[str, Any]) -> M:
    """Set fields; InvalidArgument instead of the errors of protobuf."""
    for name, value in fields.items():
        try:
            config.MergeFrom(type(config)(**{name: value}))
        except (TypeError, ValueError, AttributeError) as e:
            text = f"{printable(repr(value), 80)} does not fit this field of the CRI"
            raise InvalidArgument(name, text) from e
    return config
