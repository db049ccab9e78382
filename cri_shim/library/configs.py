"""The CRI's configurations from few words, for programs that have no kubelet to write them."""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cri_shim.library.image import Image
from cri_shim.pb import api_pb2 as api

NAMESPACE = "default"


def pod(
    name: str,
    *,
    namespace: str = NAMESPACE,
    uid: str = "",
    log_directory: Path | str = "",
    host_network: bool = False,
    share_pids: bool = False,
    **fields: Any,
) -> api.PodSandboxConfig:
    """A pod with a network of its own, unless it is the host's, and one pid namespace a container,
    unless they share one. `fields` are the CRI's: labels, annotations, hostname, port_mappings, ...
    """
    config = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(
            name=name, namespace=namespace, uid=uid or secrets.token_hex(16)
        ),
        log_directory=os.fspath(log_directory),
        **fields,
    )
    options = config.linux.security_context.namespace_options
    options.pid = api.POD if share_pids else api.CONTAINER
    if host_network:
        options.network = api.NODE
    elif not config.hostname:
        config.hostname = _hostname(name)
    return config


def _hostname(name: str) -> str:
    """The name, with dashes for what a host name cannot have."""
    made = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
    return made[:63].rstrip("-")


def container(
    image: Image | str, command: Sequence[str], name: str, fields: Mapping[str, Any]
) -> api.ContainerConfig:
    """A container of `image`; `fields` are the CRI's, and `env`, a mapping of texts."""
    more = {"log_path": f"{name}.log", **fields}
    env = more.pop("env", {})
    return api.ContainerConfig(
        metadata=api.ContainerMetadata(name=name),
        image=api.ImageSpec(image=image if isinstance(image, str) else image.id),
        command=command,
        envs=[api.KeyValue(key=key, value=os.fsencode(value)) for key, value in env.items()],
        **more,
    )
