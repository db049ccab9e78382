"""The daemon itself: what an operator wants to know first."""

import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.log import setting
from cri_shim.report.parts import Part
from cri_shim.version import __version__

_FILE = re.compile(r"(/.*?)(?::[0-9]+)?")  # the origin of a value that a file has


def parts(engine: Engine, config: Config) -> Mapping[str, Part]:
    """Return the parts of `daemon`; `notReady` has the reasons."""
    return {
        "version": lambda: __version__,
        "pid": os.getpid,
        "startedAt": _started,
        "socket": lambda: str(config.server.socket),
        "configFiles": lambda: files(config.origin),
        "logLevel": setting.current_level,
        "ready": lambda: not reasons(engine),
        "notReady": lambda: reasons(engine),
    }


def files(origin: Mapping[str, str]) -> list[str]:
    """Return the files that values come from."""
    found = (_FILE.fullmatch(where) for where in origin.values())
    return list(dict.fromkeys(match[1] for match in found if match))


def reasons(engine: Engine) -> list[str]:
    """Return why pods cannot be started now."""
    default = engine.oci.handlers.get(engine.oci.default_handler)
    problem = default.problem if default else "no OCI runtime works on this node"
    network = engine.network.status()
    return [reason for reason in (problem, "" if network.ready else network.message) if reason]


def _started() -> str:
    """Return when this process was started, in RFC 3339."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    age = float(Path("/proc/uptime").read_text().split()[0])
    age -= int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return f"{datetime.fromtimestamp(time.time() - age, UTC):%Y-%m-%dT%H:%M:%SZ}"
