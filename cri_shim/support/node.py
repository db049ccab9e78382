"""What the node has: records, mounts, control groups, network and log; nothing is changed."""

import json
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from cri_shim.comparison import leases
from cri_shim.config import Config
from cri_shim.errors import Unavailable
from cri_shim.isolation import hierarchies
from cri_shim.network.conflist import SUFFIXES
from cri_shim.reset import plan
from cri_shim.state import unopened
from cri_shim.support import redact
from cri_shim.untrusted import names, read_file
from cri_shim.version import __version__

_COMMAND_S = 20.0  # for each program that is asked
_MAX_FILE = 1 << 20  # bytes of one file of the node
_LINES = "20000"  # of the journal
_UNIT = "cri-shim.service"


def parts(config: Config) -> dict[str, Callable[[], str]]:
    """Return what is collected, by the name of its file."""
    return {
        "version.txt": lambda: f"cri-shim {__version__}\n{platform.platform()}\n",
        "records.json": lambda: _json(records(config)),
        "mounts.txt": lambda: redact.text(_text(Path("/proc/self/mountinfo"))),
        "cgroups.txt": lambda: "".join(_groups(config)),
        "network/rules.txt": lambda: _output("nft", "list", "ruleset"),
        "network/addresses.txt": lambda: _output("ip", "address"),
        "network/routes.txt": lambda: _output("ip", "route", "show", "table", "all"),
        "network/leases.txt": lambda: "".join(_leases(config)),
        "network/cni.json": lambda: _json(cni(config)),
        "log.txt": _journal,
    }


def records(config: Config) -> dict[str, Any]:
    """Return the records of pods, containers and images, without what tenants gave programs."""
    found = unopened.read(config.server.root / "state")
    if found.problem:
        raise Unavailable(found.problem)
    return {
        "pods": [_pod(MessageToDict(pod)) for pod in found.pods],
        "containers": [redact.json_value(MessageToDict(each)) for each in found.containers],
        "images": [
            {"id": i.id, "tags": [*i.repo_tags], "digests": [*i.repo_digests], "size": i.size}
            for i in found.images
        ],
    }


def _pod(pod: dict[str, Any]) -> Any:
    """Return a pod's record; its networks are in the CNI configuration, too."""
    network = pod.get("network", {})
    network.pop("result", None)
    for attachment in network.get("attachments", []):
        attachment.pop("config", None)
    return redact.json_value(pod)


def cni(config: Config) -> dict[str, Any]:
    """Return the files of the CNI configuration directory by name, without secrets."""
    directory = config.network.config_dir
    found: dict[str, Any] = {}
    for name in names(directory, SUFFIXES) if directory.is_dir() else []:
        try:
            found[name] = redact.json_value(json.loads(read_file(directory / name, _MAX_FILE)))
        except (OSError, ValueError) as e:
            found[name] = {"error": str(e)}
    return found


def _groups(config: Config) -> Iterator[str]:
    """Yield the control groups of this runtime's own parents, with their processes."""
    for parent in plan.control_groups(config):
        for group in reversed(hierarchies.tree(parent)):
            pids = sorted(hierarchies.processes(group))
            yield f"{group}  {' '.join(map(str, pids)) or '-'}\n"


def _leases(config: Config) -> Iterator[str]:
    """Yield the addresses that host-local keeps, each with the first line: whose it is."""
    for directory in (config.server.root / "cni/networks", leases.OF_OTHERS):
        for lease in sorted(directory.glob("*/*")):
            if lease.is_file():
                yield f"{lease}  {_text(lease).partition(chr(10))[0].strip()}\n"


def _journal() -> str:
    if not Path("/run/systemd/system").is_dir():
        raise Unavailable("systemd does not run this node: give the daemon's log with --log FILE")
    command = ("journalctl", "--unit", _UNIT, "--lines", _LINES, "--no-pager", "-o", "short-iso")
    return redact.text(_output(*command))


def log(file: Path) -> str:
    """Return the end of a log file, without secrets."""
    with file.open("rb") as opened:
        opened.seek(0, 2)
        opened.seek(max(0, opened.tell() - _MAX_FILE * 8))
        return redact.text(opened.read().decode(errors="replace"))


def _output(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_S, check=False
    )
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
    return redact.text(done.stdout)


def _text(file: Path) -> str:
    return file.read_text(errors="replace")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
