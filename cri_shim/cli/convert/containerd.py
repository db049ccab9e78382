"""Converts containerd's config.toml (versions 1 to 3) into cri-shim's form."""

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_shim.cli.convert.conversion import Conversion, refuse_if_empty, seconds
from cri_shim.config.source import Entry, KeyPath, read_file

_CRI = (  # the tables of the CRI plugin in the versions of the file
    ("plugins", "cri"),
    ("plugins", "io.containerd.grpc.v1.cri"),
    ("plugins", "io.containerd.cri.v1.runtime"),
    ("plugins", "io.containerd.cri.v1.images"),
)
_NRI = ("plugins", "io.containerd.nri.v1.nri")
_REGISTRIES = "write registries.conf(5), certs.d and an auth file instead; see docs/migrate.md"
_NO_PAUSE = "pods need no pause image"

_DIRECT = {  # key below the CRI plugin's table -> the key here; the value is unchanged
    "stream_server_address": "streaming.address",
    "x509_key_pair_streaming.tls_cert_file": "streaming.tls_cert_file",
    "x509_key_pair_streaming.tls_key_file": "streaming.tls_key_file",
    "cni.bin_dir": "cni_plugin_dir",
    "cni.bin_dirs": "cni_plugin_dir",
    "cni.conf_dir": "cni_config_dir",
    "cdi_spec_dirs": "containers.cdi_spec_dirs",
    "containerd.default_runtime_name": "runtime",
}
_CONVERTED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "stream_server_port": ("streaming.port", int),
    "stream_idle_timeout": ("streaming.idle_timeout", seconds),
    "max_concurrent_downloads": ("image.layers_at_once", int),
    "image_pull_progress_timeout": ("image.pull_progress_timeout", seconds),
    "containerd.discard_unpacked_layers": ("image.keep_blobs", operator.not_),
    "discard_unpacked_layers": ("image.keep_blobs", operator.not_),
}
_OF_NRI: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "disable": ("enabled", operator.not_),
    "disable_connections": ("disable_connections", bool),
    "socket_path": ("socket", str),
    "plugin_path": ("plugin_directory", str),
    "plugin_config_path": ("plugin_config_directory", str),
    "plugin_registration_timeout": ("registration_timeout", seconds),
    "plugin_request_timeout": ("request_timeout", seconds),
    "default_validator.enable": ("default_validator", bool),
    "default_validator.reject_oci_hook_adjustment": ("reject_hooks", bool),
    "default_validator.reject_runtime_default_seccomp_adjustment": (
        "reject_runtime_default_seccomp",
        bool,
    ),
    "default_validator.reject_unconfined_seccomp_adjustment": ("reject_unconfined_seccomp", bool),
    "default_validator.reject_custom_seccomp_adjustment": ("reject_custom_seccomp", bool),
    "default_validator.reject_namespace_adjustment": ("reject_namespaces", bool),
    "default_validator.reject_sysctl_adjustment": ("reject_sysctls", bool),
    "default_validator.required_plugins": ("required_plugins", list),
    "default_validator.tolerate_missing_plugins_annotation": ("tolerate_missing_annotation", str),
}
_OF_HANDLER = {
    "pod_annotations": "allowed_annotations",
    "privileged_without_host_devices": "privileged_without_host_devices",
}
_NOTES_OF_HANDLER = {
    "base_runtime_spec": "write its limits and capabilities as containers.default_ulimits and"
    " containers.default_capabilities",
    "container_annotations": "all annotations of containers are passed on, but for those that the"
    " OCI runtime acts upon",
    "privileged_without_host_devices_all_devices_allowed": "such a container may use the usual"
    " devices, and those that it requests",
}
_NOTES = {
    "sandbox_image": _NO_PAUSE,
    "pinned_images.sandbox": _NO_PAUSE,
    "cni.conf_template": "put a finished file into cni_config_dir",
    "enable_selinux": "SELinux labels are used where the node has SELinux",
    "disable_apparmor": "AppArmor is used where the node has it; choose Unconfined in the pod",
    "unset_seccomp_profile": "choose a profile in the pod",
    "registry.config_path": _REGISTRIES,
}


def converted(file: Path) -> str:
    """Return TOML with the keys that cri-shim has, and a comment for each other key that is set.

    ConfigError if the file cannot be read or does not belong to containerd.
    """
    found = Conversion(file)
    for entry in read_file(file):
        for table in _CRI:
            if entry.path[: len(table)] == table:
                _of_cri(found, entry, entry.path[len(table) :])
                break
        else:
            _outside_cri(found, entry)
    refuse_if_empty(found, "containerd")
    found.imply("containers.missing_mount_source", "create", "containerd always does")
    return found.text()


def _outside_cri(found: Conversion, entry: Entry) -> None:
    name = ".".join(entry.path[2:])
    if entry.path[:2] == _NRI and name in _OF_NRI:
        key, convert = _OF_NRI[name]
        found.set(f"nri.{key}", entry, convert)
    elif entry.path in (("root",), ("state",), ("grpc", "address")):
        found.note(entry, "cri-shim has directories and a socket of its own; containerd keeps this")
    elif entry.path[0] in ("grpc", "plugins", "debug", "metrics", "ttrpc", "proxy_plugins"):
        found.drop(entry)


def _of_cri(found: Conversion, entry: Entry, path: KeyPath) -> None:
    name = ".".join(path)
    if name in _DIRECT:
        if entry.value not in ("", []):
            found.set(_DIRECT[name], entry)
    elif name in _CONVERTED:
        found.set(_CONVERTED[name][0], entry, _CONVERTED[name][1])
    elif path[:2] == ("containerd", "runtimes"):
        _of_runtime(found, entry, path[2], ".".join(path[3:]))
    elif path[0] == "registry":
        found.note(entry, _REGISTRIES)
    elif name in _NOTES:
        found.note(entry, _NOTES[name])
    else:
        found.drop(entry)


def _of_runtime(found: Conversion, entry: Entry, handler: str, name: str) -> None:
    if name == "options.BinaryName" and entry.value:
        found.set_of_handler(handler, "path", entry)
    elif name in _OF_HANDLER:
        found.set_of_handler(handler, _OF_HANDLER[name], entry)
    elif name in _NOTES_OF_HANDLER:
        if entry.value:
            found.note(entry, _NOTES_OF_HANDLER[name])
    elif name == "options.SystemdCgroup":
        found.set("cgroup_manager", entry, lambda on: "systemd" if on else "cgroupfs")
    elif name == "runtime_type" and entry.value != "io.containerd.runc.v2":
        found.note(entry, "only runtimes with the command line of runc are served")
    elif name not in ("runtime_type", "options.BinaryName"):
        found.drop(entry)
