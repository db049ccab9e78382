"""Options of a runtime, as libpod's With... functions were: each is some configuration keys.

    from cri_shim import Runtime, options

    runtime = Runtime(options.with_storage(root="/srv/cri"), options.with_state("memory"))

An option wins over the configuration file, a later option over an earlier one. Any other key can
be given as it is: `Runtime(("network.bridge", "br0"))`. What a value must be is checked when the
runtime is made: ConfigError names the key.
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
    """Options as one mapping, the last of a key winning; ConfigError for what is none."""
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
    """What survives a reboot below `root`, the rest below `run_root`. The one driver is overlay."""
    if driver != "overlay":
        raise ConfigError(f"storage driver {driver!r} is not known; there is: overlay")
    places = (("server.root", root), ("server.run_root", run_root))
    return tuple((key, _path(place)) for key, place in places if place is not None)


def with_state(kind: Literal["leveldb", "memory"]) -> Options:
    """Where records are kept. "memory" forgets them with the process: shut down before it ends."""
    return (("state", kind),)


def with_oci_runtime(path: StrPath, *, name: str = "") -> Options:
    """The default OCI runtime; its handler is called `name`, or as the program is."""
    handler = name or _NOT_OF_A_NAME.sub("-", Path(path).name.lower()).strip("-")
    return ((f"runtimes.{handler}.path", _list([path])), ("runtime", handler))


def with_conmon_path(*paths: StrPath) -> Options:
    """Where conmon is looked for: the first that is there."""
    return (("conmon_path", _list(paths)),)


def with_conmon_env(environment: Mapping[str, str]) -> Options:
    """The whole environment of conmon and the OCI runtime."""
    return (("conmon_env_vars", _list([f"{k}={v}" for k, v in environment.items()])),)


def with_cgroup_manager(name: Literal["auto", "cgroupfs", "systemd"]) -> Options:
    """Who makes control groups; "auto" is systemd where it runs the machine."""
    return (("cgroup_manager", name),)


def with_static_dir(path: StrPath) -> Options:
    """libpod's place for state: the root is `path`/cri-shim, unless it is given itself."""
    return (("static_dir", _path(path)),)


def with_tmp_dir(path: StrPath) -> Options:
    """libpod's place for run state: the run root is `path`/cri-shim, unless it is given itself."""
    return (("tmp_dir", _path(path)),)


def with_max_log_size(size: int) -> Options:
    """Bytes of a container's log until it is cut; -1: no limit."""
    return (("max_log_size", str(size)),)


def with_no_pivot_root(enabled: bool = True) -> Options:
    """Do not use pivot_root: for hosts that run from a ramdisk."""
    return (("no_pivot_root", "true" if enabled else "false"),)


def with_cni_config_dir(path: StrPath) -> Options:
    """Where CNI network configurations are."""
    return (("cni_config_dir", _path(path)),)


def with_cni_plugin_dir(*paths: StrPath) -> Options:
    """Where CNI plugins are looked for, in this order."""
    return (("cni_plugin_dir", _list(paths)),)


def with_default_network(name: str) -> Options:
    """The CNI network that pods join; "": the first by file name."""
    return (("cni_default_network", name),)


def with_hooks_dir(*paths: StrPath) -> Options:
    """OCI hook definitions; a file in a later directory replaces those of its name."""
    return (("hooks_dir", _list(paths)),)


def with_default_mounts_file(path: StrPath) -> Options:
    """The mounts.conf that says what every container is given."""
    return (("default_mounts_file", _path(path)),)


def with_signature_policy(path: StrPath) -> Options:
    """The policy.json that images are accepted by."""
    return (("signature_policy_path", _path(path)),)


def with_image_transport(name: str) -> Options:
    """The transport of image names without one, such as "docker://"."""
    return (("image_default_transport", name),)


def with_namespace(name: str) -> Options:
    """The state namespace: objects of other ones are not seen."""
    return (("namespace", name),)


def _path(path: StrPath) -> str:
    return os.fspath(path)


def _list(items: Sequence[StrPath]) -> str:
    """As TOML has it, which for a list of strings is as JSON has it."""
    return json.dumps([os.fspath(item) for item in items], ensure_ascii=False)
