"""Makes configurations of the CRI from a few arguments, for programs without a kubelet."""

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
    """Configure a pod with its own network or the host's, and a pid namespace for each container or
    a shared one. `fields` are fields of the CRI: labels, annotations, hostname, port_mappings, ...
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
    """Return the name with dashes in place of characters that a host name cannot have."""
    made = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
    return made[:63].rstrip("-")


def container(
    image: Image | str, command: Sequence[str], name: str, fields: Mapping[str, Any]
) -> api.ContainerConfig:
    """Configure a container; `fields` are fields of the CRI, and `env`, a mapping of texts."""
    more = {"log_path": f"{name}.log", **fields}
    env = more.pop("env", {})
    return api.ContainerConfig(
        metadata=api.ContainerMetadata(name=name),
        image=api.ImageSpec(image=image if isinstance(image, str) else image.id),
        command=command,
        envs=[api.KeyValue(key=key, value=os.fsencode(value)) for key, value in env.items()],
        **more,
    )
