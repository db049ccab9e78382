"""Unsafe settings of a node: one sentence each, which has the remedy.

The daemon starts in spite of them. Hooks, configuration and programs that another user can write
to would make that user root: these are refused where they are used; so are root and run root.
"""

import ipaddress
import os
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from cri_shim import ownership
from cri_shim.config import Config, Metrics, Streaming
from cri_shim.errors import CriShimError
from cri_shim.oci import advisories
from cri_shim.oci.handlers import Handler
from cri_shim.oci.program_versions import Inventory
from cri_shim.problems.finding import Finding, Level

_MOST_FILES = 1000  # of a directory
_READABLE = stat.S_IRGRP | stat.S_IROTH


def of_places(config: Config) -> list[Finding]:
    """Warn about files and directories that others may change, or may read but should not."""
    found: dict[str, str] = {}
    for what, path in [*_places(config), *_programs(config)]:
        if problem := _changeable(path):
            found.setdefault(problem, what)  # once, for the first setting that it endangers
    for what, file in _files(config):
        if problem := _changeable(file, way=False):
            found.setdefault(problem, what)
    warnings = [f"{what}: {problem}" for problem, what in found.items()]
    other = (
        _key("streaming.tls_key_file", config.streaming.tls_key_file),
        _key("metrics.tls_key_file", config.metrics.tls_key_file),
        _address(config.streaming),
        _metrics_address(config.metrics),
    )
    warnings += [warning for warning in other if warning]
    return [Finding("permissions", Level.WARNING, warning) for warning in warnings]


async def of_versions(handlers: Mapping[str, Handler], inventory: Inventory) -> list[Finding]:
    """Warn about OCI runtimes with known security holes that the distribution has not fixed."""
    warnings: list[str] = []
    for handler in handlers.values():
        if not advisories.found(handler.version, None):
            continue
        try:
            fixed = await inventory.fixed_cves(handler.path)
        except (CriShimError, OSError):
            fixed = None
        warnings += advisories.found(handler.version, fixed)
    return [Finding("versions", Level.WARNING, text) for text in dict.fromkeys(warnings)]


def _places(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the paths that the daemon reads, and its working directories."""
    server, network = config.server, config.network
    yield "server.root", server.root
    yield "server.run_root", server.run_root
    yield "server.socket", server.socket.parent
    yield "network.netns_dir", network.netns_dir
    yield "cni_config_dir", network.config_dir
    yield from (("cni_plugin_dir", directory) for directory in network.plugin_dirs)
    for directory in config.containers.cdi_spec_dirs:
        yield "containers.cdi_spec_dirs", directory
    named = {
        "seccomp_profile": config.seccomp_profile,
        "default_mounts_file": (config.default_mounts_file,),
        "signature_policy_path": (config.image.signature_policy_path,),
        "image.signature_policy_dir": (config.image.signature_policy_dir,),
        "image.preload_dir": (config.image.preload_dir,),
        "image.registries_conf": (config.image.registries_conf,),
        "streaming.tls_cert_file": (config.streaming.tls_cert_file,),
        "streaming.tls_key_file": (config.streaming.tls_key_file,),
        "metrics.tls_cert_file": (config.metrics.tls_cert_file,),
        "metrics.tls_key_file": (config.metrics.tls_key_file,),
        "metrics.tls_client_ca_file": (config.metrics.tls_client_ca_file,),
    }
    named |= {
        f"runtimes.{name}.seccomp_profile": (table.seccomp_profile,)
        for name, table in config.runtimes.items()
    }
    yield from ((key, Path(file)) for key, files in named.items() for file in files if file)


def _programs(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the existing programs on each path list."""
    lists = {
        "conmon_path": config.conmon_path,
        "image.skopeo_path": config.image.skopeo_path,
        "init_path": config.init_path,
    }
    lists |= {f"runtimes.{name}.path": table.path for name, table in config.runtimes.items()}
    for key, paths in lists.items():
        yield from ((key, Path(path)) for path in paths if os.path.exists(path))  # noqa: PTH110


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the files in directories that many programs write to."""
    for what, directories in (
        ("a CNI network", (config.network.config_dir,)),
        ("a CNI plugin", config.network.plugin_dirs),
        ("a CDI device", config.containers.cdi_spec_dirs),
    ):
        for directory in directories:
            yield from ((what, file) for file in _entries(directory))


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(islice(directory.iterdir(), _MOST_FILES))
    except OSError:
        return []  # it is missing; the module that reads it reports this


def _changeable(path: Path, *, way: bool = True) -> str:
    try:
        problem = ownership.of_file(path)
    except OSError:
        problem = ""  # as above
    return problem or (ownership.of_way(path) if way else "")


def _key(name: str, file: str) -> str:
    """Warn about a readable key: with it, another program could pose as the server."""
    try:
        mode = os.stat(file).st_mode if file else 0  # noqa: PTH116
    except OSError:
        return ""
    return f"{name}: others may read {file}: chmod 600" if mode & _READABLE else ""


def _address(streaming: Streaming) -> str:
    """Warn about an address on the network: only this node's kubelet needs the streaming server."""
    if streaming.tls_cert_file or ipaddress.ip_address(streaming.address).is_loopback:
        return ""
    return (
        f"streaming.address: {streaming.address} can be reached over the network, where sessions"
        " and the tickets for them can be read: use 127.0.0.1, or set streaming.tls_cert_file and"
        " streaming.tls_key_file"
    )


def _metrics_address(metrics: Metrics) -> str:
    """Warn about metrics that everyone on the network can read."""
    address = metrics.address
    if metrics.tls_client_ca_file or not address or address.startswith("unix://"):
        return ""
    host = address.rpartition(":")[0].strip("[]")
    if ipaddress.ip_address(host).is_loopback:
        return ""
    return (
        f"metrics.address: {address} can be read over the network: use 127.0.0.1 or a unix socket,"
        " or set metrics.tls_cert_file, metrics.tls_key_file and metrics.tls_client_ca_file"
    )
