"""Nodes that are containers of a private dockerd: commands in them, and their state."""

import json
import subprocess
from typing import Any

LIMIT_S = 300.0


class CommandError(Exception):
    """The stderr of a command in a node, or of docker itself."""


def run(*command: str, stdin: str = "", check: bool = True, limit: float = LIMIT_S) -> str:
    """Its output; where it may fail, its stderr too."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=limit, check=False
    )
    if check and done.returncode:
        raise CommandError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout if check else done.stdout + done.stderr


def on(node: str, *command: str, stdin: str = "", check: bool = True) -> str:
    """A command in a node."""
    return run("docker", "exec", "-i", node, *command, stdin=stdin, check=check)


def pods(node: str) -> list[dict[str, Any]]:
    """The pods that cri-shim has on a node."""
    found: list[dict[str, Any]] = json.loads(on(node, "cri-shim", "pods", "-o", "json"))["items"]
    return found


def daemon(node: str) -> dict[str, str]:
    """State, pid and number of restarts of cri-shim, as systemd has them."""
    properties = "--property=ActiveState,MainPID,NRestarts"
    lines = on(node, "systemctl", "show", "cri-shim", properties).splitlines()
    return dict(line.split("=", 1) for line in lines)
