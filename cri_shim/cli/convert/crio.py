"""Converts CRI-O's crio.conf into cri-shim's form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_shim.cli.convert.conversion import Conversion, refuse_if_empty, seconds, size
from cri_shim.config.source import Entry, KeyPath, read_file
from cri_shim.store.manifest import host_architecture

_OWN_PLACE = "cri-shim has directories and a socket of its own; CRI-O keeps this"
_NO_PAUSE = "pods need no pause image, and no pause process unless they share a pid namespace"

_DIRECT = {
    "crio.api.stream_address": "streaming.address",
    "crio.api.stream_tls_cert": "streaming.tls_cert_file",
    "crio.api.stream_tls_key": "streaming.tls_key_file",
    "crio.runtime.default_runtime": "runtime",
    "crio.runtime.conmon": "conmon_path",
    "crio.runtime.conmon_env": "conmon_env_vars",
    "crio.runtime.seccomp_profile": "seccomp_profile",
    "crio.runtime.cgroup_manager": "cgroup_manager",
    "crio.runtime.default_sysctls": "default_sysctls",
    "crio.runtime.default_ulimits": "containers.default_ulimits",
    "crio.runtime.default_env": "containers.default_env",
    "crio.runtime.add_inheritable_capabilities": "containers.add_inheritable_capabilities",
    "crio.runtime.additional_devices": "containers.additional_devices",
    "crio.runtime.allowed_devices": "containers.allowed_devices",
    "crio.runtime.timezone": "containers.timezone",
    "crio.runtime.hooks_dir": "hooks_dir",
    "crio.runtime.default_mounts_file": "default_mounts_file",
    "crio.runtime.no_pivot": "no_pivot_root",
    "crio.runtime.log_size_max": "max_log_size",
    "crio.runtime.absent_mount_sources_to_reject": "containers.not_created_mount_sources",
    "crio.runtime.cdi_spec_dirs": "containers.cdi_spec_dirs",
    "crio.image.default_transport": "image_default_transport",
    "crio.image.pinned_images": "image.pinned_images",
    "crio.image.signature_policy": "signature_policy_path",
    "crio.image.signature_policy_dir": "image.signature_policy_dir",
    "crio.network.network_dir": "cni_config_dir",
    "crio.network.plugin_dirs": "cni_plugin_dir",
    "crio.network.cni_default_network": "cni_default_network",
    "crio.nri.enable_nri": "nri.enabled",
    "crio.nri.nri_listen": "nri.socket",
    "crio.nri.nri_disable_connections": "nri.disable_connections",
    "crio.nri.nri_plugin_dir": "nri.plugin_directory",
    "crio.nri.nri_plugin_config_dir": "nri.plugin_config_directory",
}
_TLS = {"VersionTLS12": "1.2", "VersionTLS13": "1.3"}
_CONVERTED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "crio.api.stream_port": ("streaming.port", int),
    "crio.api.stream_idle_timeout": ("streaming.idle_timeout", seconds),
    "crio.image.pull_progress_timeout": ("image.pull_progress_timeout", seconds),
    "crio.api.tls_min_version": ("streaming.tls_min_version", lambda name: _TLS[name]),
    "crio.runtime.disable_hostport_mapping": (
        "network.unmapped_host_ports",
        lambda off: "allow" if off else "refuse",
    ),
    "crio.runtime.pids_limit": ("containers.pids_limit", lambda limit: max(0, limit)),  # -1: none
    "crio.nri.nri_plugin_registration_timeout": ("nri.registration_timeout", seconds),
    "crio.nri.nri_plugin_request_timeout": ("nri.request_timeout", seconds),
    "crio.runtime.default_capabilities": ("containers.default_capabilities", list),
}
_OWN: dict[str, tuple[str, ...]] = {  # CRI-O's own values, if its file has no others
    "containers.default_capabilities": (
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP",
        "NET_BIND_SERVICE", "KILL",
    ),
    "containers.allowed_devices": ("/dev/fuse", "/dev/net/tun"),
}  # fmt: skip
_ALWAYS: dict[str, str | bool] = {
    "containers.missing_mount_source": "create",
    "containers.passwd_entry": True,
    "containers.containerenv": True,
}
_OF_HANDLER = ("allowed_annotations", "privileged_without_host_devices", "seccomp_profile")
_NOTES = {
    "crio.root": _OWN_PLACE,
    "crio.runroot": _OWN_PLACE,
    "crio.api.listen": _OWN_PLACE,
    "crio.image.pause_image": _NO_PAUSE,
    "crio.image.pause_command": _NO_PAUSE,
    "crio.runtime.apparmor_profile": "choose a profile in the pod",
    "crio.image.insecure_registries": "set insecure = true in registries.conf(5)",
    "crio.image.registries": "set unqualified-search-registries in registries.conf(5)",
}


def converted(file: Path) -> str:
    """Return TOML with the keys that cri-shim has, and a comment for each other key that is set.

    ConfigError if the file cannot be read or does not belong to CRI-O.
    """
    found = Conversion(file)
    for entry in read_file(file):
        if entry.path[0] == "crio":
            _convert(found, entry)
    refuse_if_empty(found, "CRI-O")
    for key, names in _OWN.items():
        if key not in found.values:
            found.imply(key, names, "CRI-O's own default")
    for key, value in _ALWAYS.items():
        found.imply(key, value, "CRI-O always does")
    return found.text()


def _convert(found: Conversion, entry: Entry) -> None:
    name = entry.name
    if name in _DIRECT:
        if entry.value not in ("", []):
            found.set(_DIRECT[name], entry)
    elif name in _CONVERTED:
        if entry.value != "":
            found.set(_CONVERTED[name][0], entry, _CONVERTED[name][1])
    elif entry.path[:3] == ("crio", "runtime", "runtimes"):
        _of_runtime(found, entry, entry.path[3], entry.path[4:])
    elif name in _NOTES:
        found.note(entry, _NOTES[name])
    else:
        found.drop(entry)


def _of_runtime(found: Conversion, entry: Entry, handler: str, path: KeyPath) -> None:
    name = ".".join(path)
    if name == "runtime_path" and entry.value:
        if "path" not in found.handlers.get(handler, {}):  # that of this platform wins
            found.set_of_handler(handler, "path", entry)
    elif path[0] == "platform_runtime_paths" and len(path) == 2:
        if path[1] == f"linux/{host_architecture()}":
            found.set_of_handler(handler, "path", entry)
        else:
            found.note(entry, "images of other platforms are not run")
    elif name in _OF_HANDLER:
        if entry.value not in ("", []):
            found.set_of_handler(handler, name, entry)
    elif name == "container_min_memory":
        if entry.value != "":
            found.set_of_handler(handler, name, entry, size)
    elif path[0] == "default_annotations" and len(path) == 2:
        found.add_of_handler(handler, path[0], entry, [f"{path[1]}={entry.value}"])
    elif name == "runtime_type" and entry.value not in ("", "oci"):
        found.note(entry, "only runtimes with the command line of runc are served")
    elif name not in ("runtime_type", "runtime_path"):
        found.drop(entry)
