"""Makes the defaults of containers from the configuration."""

import resource
from pathlib import Path

from cri_shim.config import Config, devices, ulimits
from cri_shim.config.source import place
from cri_shim.errors import ConfigError
from cri_shim.linux import process, timezone
from cri_shim.pb import api_pb2
from cri_shim.spec import capabilities
from cri_shim.spec.node_defaults import HandlerDefaults, NodeDefaults

_NR_OPEN = Path("/proc/sys/fs/nr_open")  # the kernel's limit of RLIMIT_NOFILE


def of(config: Config) -> NodeDefaults:
    """Return the defaults; ConfigError for one that no container of this daemon could have."""
    ours = config.containers
    try:
        default = capabilities.named(ours.default_capabilities)
    except ValueError as e:
        raise _wrong(config, "containers.default_capabilities", str(e)) from e
    return NodeDefaults(
        rlimits=_rlimits(config),
        env=dict(setting.split("=", 1) for setting in ours.default_env),
        capabilities=default,
        inheritable=ours.add_inheritable_capabilities,
        devices=tuple(map(_device, ours.additional_devices)),
        allowed_devices=frozenset(ours.allowed_devices),
    )


def localtime(config: Config) -> str:
    """Return the file of containers.timezone, "" for none; ConfigError if the node has no such."""
    if not config.containers.timezone:
        return ""
    try:
        return str(timezone.file_of(config.containers.timezone))
    except OSError as e:
        raise _wrong(config, "containers.timezone", f"{e.filename}: {e.strerror}") from e


def of_handlers(config: Config) -> dict[str, HandlerDefaults]:
    return {
        name: HandlerDefaults(
            allowed_annotations=table.allowed_annotations,
            annotations=dict(setting.split("=", 1) for setting in table.default_annotations),
            seccomp_profile=table.seccomp_profile,
            min_memory=table.container_min_memory,
            host_devices=not table.privileged_without_host_devices,
        )
        for name, table in config.runtimes.items()
    }


def _device(text: str) -> api_pb2.Device:
    host, path, access = devices.parse(text)
    return api_pb2.Device(host_path=host, container_path=path, permissions=access)


def _rlimits(config: Config) -> dict[str, tuple[int, int]]:
    found = {}
    for text in config.containers.default_ulimits:
        name, soft, hard = ulimits.parse(text)
        kind = f"RLIMIT_{name.upper()}"
        if problem := _impossible(kind, hard):
            raise _wrong(config, "containers.default_ulimits", f"{text}: {problem}")
        found[kind] = soft, hard
    return found


def _impossible(kind: str, hard: int) -> str:
    """Return why the kernel would refuse the limit for every container; "" if it does not."""
    if kind == "RLIMIT_NOFILE" and hard > (most := int(_NR_OPEN.read_text())):
        return f"the kernel's most is {most} (fs.nr_open)"
    number = getattr(resource, kind, None)  # Python has no name for some
    if number is None or "CAP_SYS_RESOURCE" in process.own_effective_caps():
        return ""
    own = resource.getrlimit(number)[1]
    if own == resource.RLIM_INFINITY or hard <= own:
        return ""
    return f"the daemon has no CAP_SYS_RESOURCE and may not exceed its own hard limit, {own}"


def _wrong(config: Config, key: str, problem: str) -> ConfigError:
    return ConfigError(f"{place(config.origin.get(key, 'default'), key)}: {problem}")
