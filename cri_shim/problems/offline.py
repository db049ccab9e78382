"""What a daemon would find at its start, when none can be asked. Nothing is made or changed.

OCI runtimes and CNI plugins are asked for their versions; no container is tried.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from cri_shim import directories
from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.errors import CriShimError
from cri_shim.linux import mounts
from cri_shim.network.bundled import Bundled, OwnNetwork
from cri_shim.network.catalog import Catalog
from cri_shim.network.driver import NOT_READY, Networks, NetworkStatus
from cri_shim.network.exec import Plugins
from cri_shim.network.user_mode import UserModeNetwork
from cri_shim.oci import handlers
from cri_shim.oci.handlers import Handler
from cri_shim.oci.program_versions import Inventory
from cri_shim.problems import daemon, packages
from cri_shim.problems.finding import Finding, Level
from cri_shim.problems.places import nearest


async def look(config: Config) -> list[Finding]:
    """Return the findings of OCI runtimes, pod network, directories, socket and port."""
    return [
        *await _runtimes(config),
        *await _network(config),
        *in_use(config),
        *_directories(config),
        _socket(config.server.socket),
        _port(config),
    ]


async def _runtimes(config: Config) -> list[Finding]:
    inventory, found = Inventory(), {}
    for name, table in config.runtimes.items():
        found[name] = await _handler(name, table.path, inventory)
    default = config.default_runtime or next(
        (name for name, handler in found.items() if not handler.problem), next(iter(found), "")
    )
    return [*daemon.runtimes(found, default, config)]


async def _handler(name: str, candidates: tuple[str, ...], inventory: Inventory) -> Handler:
    """Return a handler with its version, or with the reason why it does not work."""
    handler = Handler(name, Path(), Path(), Path(), userns_problem="")
    path = Path()
    try:
        path = handlers.executable(f"OCI runtime for handler {name}", candidates)
        return Handler(name, path, path, Path(), await inventory.version(path), userns_problem="")
    except (CriShimError, OSError) as e:
        return Handler(name, path, handler.run_path, handler.root, problem=str(e))


async def _network(config: Config) -> list[Finding]:
    ours = config.network
    if unprivileged_user() is not None:
        user_mode = UserModeNetwork(Path("/nowhere"), ours.user_mode, add_timeout=1)
        return [*daemon.network(user_mode.status(), user_mode.networks(), True)]
    plugins = Plugins(ours.plugin_dirs)
    own = OwnNetwork(
        config.server.root / "cni", Bundled(ours.subnet, ours.bridge) if ours.bundled else None
    )
    view = await Catalog(ours.config_dir, plugins, ours.default_network).load(own.listed())
    name = view.default.name if view.default is not None else ""
    reason = "" if name else NOT_READY
    status = NetworkStatus(bool(name), reason, view.message)
    return [
        *daemon.network(status, Networks(name, [], view.problems), False),
        *_ip(),
    ]


def _ip() -> Iterator[Finding]:
    """ip of iproute2: removes the bridge of the network."""
    paths = (*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin")
    if not any(os.access(Path(directory, "ip"), os.X_OK) for directory in paths if directory):
        sentence = "ip is not installed: the bridge of pods is not removed by reset"
        yield Finding("ip", Level.NOTE, sentence, packages.install("ip"), packages.of("ip"))


def in_use(config: Config) -> Iterator[Finding]:
    """Yield a finding if another process has locked root or run root; takes no lock."""
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    held = {(words[5], words[4]) for words in map(str.split, locks) if "FLOCK" in words}
    server = config.server
    for directory, file in (
        (server.root, server.root),
        (server.run_root, server.run_root / "lock"),
    ):
        try:
            facts = file.stat()
        except OSError:
            continue
        number = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
        if pid := next((pid for where, pid in held if where == number), None):
            sentence = f"{directory} is in use by process {pid}, another cri-shim"
            remedy = "stop it, or use another --root, --run-root and --socket"
            yield Finding(f"use of {directory}", Level.FAILS, sentence, remedy, key="server.root")


def _directories(config: Config) -> Iterator[Finding]:
    """Yield what the daemon would refuse in its two directories."""
    server = config.server
    for key, directory in (("server.root", server.root), ("server.run_root", server.run_root)):
        what = f"directory {directory}"
        place = directory if directory.exists() else nearest(directory)
        problem = _unusable(directory) if place == directory else ""
        if not problem and not os.access(place, os.W_OK):
            read_only = "ro" in mounts.mount_of(place).options
            why = "its file system is mounted read-only" if read_only else "permission denied"
            problem = f"cannot write to {place}: {why}"
        if problem:
            yield Finding(what, Level.FAILS, problem, f"set another {key}", key=key)
        else:
            state = "there" if place == directory else f"will be made in {place}"
            yield Finding(what, Level.OK, state)


def _unusable(directory: Path) -> str:
    try:
        directories.check(directory)
    except CriShimError as e:
        return str(e)
    return ""


def _socket(path: Path) -> Finding:
    """The socket of the CRI: free, or the reason why it cannot be used."""
    what, key = "socket", "server.socket"
    if path.exists() and not path.is_socket():
        sentence = f"{path} exists and is not a socket"
        return Finding(what, Level.FAILS, sentence, "choose another [server] socket", key=key)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        if path.exists() and probe.connect_ex(str(path)) == 0:
            sentence = f"another program serves on {path}"
            remedy = "stop it, or choose another [server] socket"
            return Finding(what, Level.FAILS, sentence, remedy, key=key)
    return Finding(what, Level.OK, f"{path} is free")


def _port(config: Config) -> Finding:
    """The address and port of exec, attach and port-forward."""
    ours, what = config.streaming, "streaming port"
    family = socket.AF_INET6 if ":" in ours.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ours.address, ours.port))  # never listens: no client can connect
        except OSError as e:
            sentence = f"cannot listen on {ours.address} port {ours.port}: {e.strerror}"
            remedy = "choose another streaming.address or streaming.port"
            return Finding(what, Level.FAILS, sentence, remedy, key="streaming.port")
    shown = f"port {ours.port}" if ours.port else "a free port"
    return Finding(what, Level.OK, f"{ours.address}, {shown}")
