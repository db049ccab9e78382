"""A service manager with the commands of systemd that the suite calls, for the kubelet's unit.

The suite starts the kubelet by systemd-run, and stops and starts it by systemctl when a spec needs
another configuration. On a machine without systemd, this module answers these calls. A unit is a
file with its command line; its process is a child of the supervisor of the namespaces.

    python -m hack.nodee2elib.units DIRECTORY systemd-run|systemctl ARGUMENTS...
"""

import fnmatch
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

VERSION = "systemd 257 (stand-in)"
PROGRAMS = ("systemd-run", "systemctl")
_END_S = 30.0


def install(directory: Path, units: Path) -> None:
    """Write the programs that call this module, and a sudo that only runs its command."""
    for name in PROGRAMS:
        command = f'"{sys.executable}" -m hack.nodee2elib.units "{units}" {name}'
        script = f'#!/bin/sh\nexec env PYTHONPATH="{Path.cwd()}" {command} "$@"\n'
        _write_program(directory / name, script)
    _write_program(directory / "sudo", '#!/bin/sh\nexec "$@"\n')


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def main(arguments: Sequence[str]) -> int:
    units, program, *words = Path(arguments[0]), *arguments[1:]
    if program == "systemd-run":
        return run(units, words)
    verb, *names = [word for word in words if not word.startswith("--")]
    running_only = "--state=running" in words
    if verb == "list-units":
        for unit in _units(units):
            running = _pid(unit) != 0
            if (running or not running_only) and any(fnmatch.fnmatch(unit.name, n) for n in names):
                state = "running" if running else "exited"
                print(f"  {unit.name} loaded active {state} {unit.name}")
        return 0
    for unit in [unit for name in names for unit in _units(units) if unit.name.startswith(name)]:
        if verb in ("kill", "stop", "restart"):
            _stop(unit)
        if verb in ("restart", "start"):
            _start(unit)
    return 0 if verb in ("kill", "stop", "restart", "start", "reset-failed", "mask") else 1


def run(units: Path, words: Sequence[str]) -> int:
    """Make a unit from systemd-run's arguments, and start it."""
    if "--version" in words:
        print(VERSION)
        return 0
    options: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        options.append(rest.pop(0))
        if options[-1] == "-p":
            options[-1] = rest.pop(0)
    given = dict(option.partition("=")[::2] for option in options)
    # systemd would expand these; the suite doubles them.
    command = [word.replace("%%", "%").replace("$$", "$") for word in rest]
    log = given["StandardError"].partition(":")[2]
    unit = units / given["--unit"]
    unit.write_text(json.dumps({"command": command, "log": log, "directory": str(Path.cwd())}))
    _start(unit)
    return 0


def _units(units: Path) -> list[Path]:
    return sorted(units.glob("*.service"))


def _pid_file(unit: Path) -> Path:
    return unit.with_suffix(".pid")


def _pid(unit: Path) -> int:
    """Return the pid of the unit's process; 0 if it has ended."""
    try:
        pid = int(_pid_file(unit).read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else pid


def _start(unit: Path) -> None:
    of_unit = json.loads(unit.read_text())
    with Path(of_unit["log"]).open("ab") as log:
        process = subprocess.Popen(
            of_unit["command"],
            cwd=of_unit["directory"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _pid_file(unit).write_text(str(process.pid))


def _stop(unit: Path) -> None:
    """Send SIGTERM, and SIGKILL after a while; return when the process has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        limit = time.monotonic() + _END_S
        while (pid := _pid(unit)) and time.monotonic() < limit:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            for _ in range(20):
                if not _pid(unit):
                    return
                time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
