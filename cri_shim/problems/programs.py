"""The programs that a node needs beside an OCI runtime, each found as the daemon finds it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.errors import ToolFailed
from cri_shim.oci.handlers import executable
from cri_shim.problems import packages
from cri_shim.problems.finding import Finding, Level


def look(config: Config) -> list[Finding]:
    """Return what was found of each program. Nothing is executed."""
    found = [conmon(config), skopeo(config), init(config), _apparmor()]
    found += _rootless(config) if unprivileged_user() is not None else [_masquerade(config)]
    return [finding for finding in found if finding is not None]


def conmon(config: Config) -> Finding:
    return _on_list("conmon", config.conmon_path, "conmon_path", Level.FAILS, "no pod can run")


def skopeo(config: Config) -> Finding:
    without = "images are pulled, but archives cannot be loaded or saved"
    return _on_list("skopeo", config.image.skopeo_path, "image.skopeo_path", Level.NOTE, without)


def init(config: Config) -> Finding:
    without = "pods cannot share a pid namespace"
    return _on_list("catatonit", config.init_path, "init_path", Level.WARNING, without)


def _on_list(name: str, candidates: Sequence[str], key: str, level: Level, without: str) -> Finding:
    """Look for a program on its path list; `without` is what a node without it cannot do."""
    try:
        return Finding(name, Level.OK, str(executable(name, candidates)), key=key)
    except ToolFailed as e:
        if any(os.access(candidate, os.X_OK) for candidate in candidates):
            return Finding(name, Level.FAILS if name != "catatonit" else level, str(e), key=key)
        remedy = f"{packages.install(name)}, or set {key}"
        sentence = f"{e}: {without}"
        return Finding(name, level, sentence, remedy, packages.of(name), key)


def _masquerade(config: Config) -> Finding | None:
    """nft or iptables: for the bundled network; other networks bring what they need."""
    if not config.network.bundled:
        return None
    families = [":" in subnet for subnet in config.network.subnet.split(",")]
    tools = ["nft", "ip6tables" if all(families) else "iptables"]
    if path := next(filter(None, map(shutil.which, tools)), None):
        return Finding("masquerading", Level.OK, path)
    return Finding(
        "masquerading",
        Level.WARNING,
        f"neither {' nor '.join(tools)} is installed: pods of the network of cri-shim cannot reach"
        " other networks",
        packages.install("nft"),
        packages.of("nft"),
    )


def _apparmor() -> Finding | None:
    try:
        if not Path("/sys/module/apparmor/parameters/enabled").read_text().startswith("Y"):
            return Finding("AppArmor", Level.OK, "not enabled")
    except OSError:
        return Finding("AppArmor", Level.OK, "not in this kernel")
    if unprivileged_user() is not None:
        return Finding("AppArmor", Level.OK, "enabled; not for rootless containers")
    if shutil.which("apparmor_parser"):
        return Finding("AppArmor", Level.OK, "enabled")
    return Finding(
        "AppArmor",
        Level.WARNING,
        "apparmor_parser is not installed: containers run without an AppArmor profile",
        packages.install("apparmor_parser"),
        packages.of("apparmor_parser"),
    )


def _rootless(config: Config) -> list[Finding | None]:
    return [_id_programs(), *_user_mode(config.network.user_mode)]


def _id_programs() -> Finding:
    missing = [name for name in ("newuidmap", "newgidmap") if not shutil.which(name)]
    if not missing:
        return Finding("newuidmap", Level.OK, "installed")
    return Finding(
        "newuidmap",
        Level.FAILS,
        f"{' and '.join(missing)} not installed: an unprivileged user cannot run pods",
        packages.install("newuidmap"),
        packages.of("newuidmap"),
    )


def _user_mode(wanted: str) -> list[Finding | None]:
    """pasta or slirp4netns. The pod network says what is missing; this says how to get it."""
    names = ["pasta", "slirp4netns"] if wanted == "auto" else [wanted]
    if wanted == "none" or any(map(shutil.which, names)):
        return []
    return [
        Finding(
            names[0],
            Level.WARNING,
            f"{' and '.join(names)} not installed: pods have only the loopback",
            packages.install(names[0]),
            packages.of(names[0]),
            "network.user_mode",
        )
    ]
