"""The printed report: the machine, the tables, the ratios."""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from hack.benchlib import floor, measured
from hack.benchlib.figures import Samples, percentile, summary, table


def machine(runtime: str) -> dict[str, str]:
    """Return a description of the machine on which the figures were taken."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runtime": _version(runtime),
        "conmon": _version("conmon"),
    }


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.partition("\n")[0]


def compared(ours: Samples, bare: Samples) -> dict[str, Any]:
    """Return the steps of both, their sums, and the ratio of the daemon to the floor."""
    pairs = {
        "pod up": (ours.sums(*measured.UP), bare.sums(*floor.UP)),
        "exec": (ours.sums("ExecSync"), bare.sums("exec")),
        "pod down": (ours.sums(*measured.DOWN), bare.sums(*floor.DOWN)),
    }
    return {
        "steps": ours.summary(),
        "floor_steps": bare.summary(),
        "sums": {name: summary(mine) for name, (mine, _) in pairs.items()},
        "floor_sums": {name: summary(its) for name, (_, its) in pairs.items()},
        "ratios": {
            name: {
                "of_p50": round(percentile(mine, 0.5) / percentile(its, 0.5), 2),
                "of_min": round(min(mine) / min(its), 2),
            }
            for name, (mine, its) in pairs.items()
        },
    }


def text(found: dict[str, Any]) -> str:
    lines = [f"{key}: {value}" for key, value in found["machine"].items()]
    lines += ["", table("over the CRI socket", found["steps"] | found["sums"])]
    lines += ["", table("the floor: bare programs", found["floor_steps"] | found["floor_sums"])]
    lines += ["", "times its floor                   of p50   of min"]
    for name, ratio in found["ratios"].items():
        lines.append(f"  {name:<30}{ratio['of_p50']:>9.2f}{ratio['of_min']:>9.2f}")
    lines += ["", f"CPU of the daemon: {found['cpu_ms_a_pod']} ms a pod, one after another"]
    lines += [f"PSS of the daemon, idle: {found['idle_pss_mib']} MiB"]
    if parallel := found.get("parallel"):
        lines += [f"at {parallel['workers']} parallel, {parallel['pods']} pods:"]
        lines += [f"  {key}: {value}" for key, value in parallel.items()]
    lines += ["", "the floor as commands, in bash:", "", found["floor_commands"]]
    return "\n".join(lines)
