"""Options of a runtime, like libpod's With... functions: each sets configuration keys.

    from cri_shim import Runtime, options

    runtime = Runtime(options.with_storage(root="/srv/cri"), options.with_state("memory"))

An option wins over the configuration file, and a later option over an earlier one. Any other key
can be given directly: `Runtime(("network.bridge", "br0"))`. Values are checked when the runtime is
made: ConfigError names the key.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from cri_shim.errors import ConfigError

Option = tuple[str, str]  # a dotted configuration key and its text: ("server.root", "/srv/x")
Options = tuple[Option, ...]
StrPath = str | os.PathLike[str]

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9-]+")


def flat(given: Sequence[Option | Options]) -> dict[str, str]:
    """Join options into one mapping; the last value of a key wins. ConfigError for a non-option."""
    found: dict[str, str] = {}
    for each in given:
        pairs = [each] if isinstance(each, tuple) and each and isinstance(each[0], str) else each
        for pair in pairs if isinstance(pairs, tuple | list) else [pairs]:
            match pair:
                case (str(key), str(text)):
                    found[key] = text
                case _:
                    raise ConfigError(
                        f"{each!r} is not an option: it must come from cri_shim.options,"
                        " or be a pair of a configuration key and its text"
                    )
    return found


def with_storage(
    root: StrPath | None = None, run_root: StrPath | None = None, *, driver: str = "overlay"
) -> Options:
    """Persistent files are below `root`, others below `run_root`. The only driver is overlay."""
    if driver != "overlay":
        raise ConfigError(f"storage driver {driver!r} is not known; there is: overlay")
    places = (("server.root", root), ("server.run_root", run_root))
    return tuple((key, _path(place)) for key, place in places if place is not None)


def with_state(kind: Literal["leveldb", "memory"]) -> Options:
    """The store of records. "memory" ends with the process: shut down before the process ends."""
    return (("state", kind),)


def with_oci_runtime(path: StrPath, *, name: str = "") -> Options:
    """The default OCI runtime; its handler is called `name`, or like the program."""
    handler = name or _NOT_OF_A_NAME.sub("-", Path(path).name.lower()).strip("-")
    return ((f"runtimes.{handler}.path", _list([path])), ("runtime", handler))


def with_conmon_path(*paths: StrPath) -> Options:
    """The paths of conmon: the first that exists is used."""
    return (("conmon_path", _list(paths)),)


def with_conmon_env(environment: Mapping[str, str]) -> Options:
    """The complete environment of conmon and the OCI runtime."""
    return (("conmon_env_vars", _list([f"{k}={v}" for k, v in environment.items()])),)


def with_cgroup_manager(name: Literal["auto", "cgroupfs", "systemd"]) -> Options:
    """The manager of control groups; "auto" is systemd where it runs the machine."""
    return (("cgroup_manager", name),)


def with_static_dir(path: StrPath) -> Options:
    """libpod's directory for state: the root is `path`/cri-shim, unless it is set itself."""
    return (("static_dir", _path(path)),)


def with_tmp_dir(path: StrPath) -> Options:
    """libpod's directory for run state: run root is `path`/cri-shim, unless it is set itself."""
    return (("tmp_dir", _path(path)),)


def with_max_log_size(size: int) -> Options:
    """The size in bytes at which a container's log is truncated; -1: no limit."""
    return (("max_log_size", str(size)),)


def with_no_pivot_root(enabled: bool = True) -> Options:
    """Do not use pivot_root: for hosts that run from a ramdisk."""
    return (("no_pivot_root", "true" if enabled else "false"),)


def with_cni_config_dir(path: StrPath) -> Options:
    """The directory of CNI network configurations."""
    return (("cni_config_dir", _path(path)),)


def with_cni_plugin_dir(*paths: StrPath) -> Options:
    """The directories of CNI plugins, in search order."""
    return (("cni_plugin_dir", _list(paths)),)


def with_default_network(name: str) -> Options:
    """The CNI network that pods join; "": the first by file name."""
    return (("cni_default_network", name),)


def with_hooks_dir(*paths: StrPath) -> Options:
    """The directories of OCI hooks; a file replaces those of its name in earlier ones."""
    return (("hooks_dir", _list(paths)),)


def with_default_mounts_file(path: StrPath) -> Options:
    """The mounts.conf with the default mounts of every container."""
    return (("default_mounts_file", _path(path)),)


def with_signature_policy(path: StrPath) -> Options:
    """The policy.json that decides which images are accepted."""
    return (("signature_policy_path", _path(path)),)


def with_image_transport(name: str) -> Options:
    """The transport of image names without one, such as "docker://"."""
    return (("image_default_transport", name),)


def with_namespace(name: str) -> Options:
    """The state namespace: objects of other namespaces are not visible."""
    return (("namespace", name),)


def _path(path: StrPath) -> str:
    try:
        return os.fspath(path)
    except TypeError as e:
        raise ConfigError(f"{path!r} is not a path") from e


def _list(items: Sequence[StrPath]) -> str:
    """Return a TOML list of strings, which has the same form in JSON."""
    return json.dumps([_path(item) for item in items], ensure_ascii=False)
