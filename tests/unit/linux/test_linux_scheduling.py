"""Scheduler, io priority and memory policy of a real process."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.linux import scheduling


@pytest.fixture
def process() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started.pid
        started.send_signal(signal.SIGKILL)


def test_the_scheduler_of_a_process(process: int) -> None:
    scheduling.set_scheduler(process, {"policy": "SCHED_BATCH", "nice": 7})

    assert os.sched_getscheduler(process) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, process) == 7


def test_a_scheduler_that_the_kernel_refuses(process: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        scheduling.set_scheduler(process, {"policy": "SCHED_OTHER", "priority": 5})


def test_the_io_priority_of_a_process(process: int) -> None:
    scheduling.set_io_priority(process, {"class": "IOPRIO_CLASS_BE", "priority": 6})

    shown = subprocess.run(["ionice", "-p", str(process)], capture_output=True, text=True)
    assert shown.stdout.strip() == "best-effort: prio 6"


def test_the_memory_policy_is_inherited_and_then_gone() -> None:
    with scheduling.memory_policy({"mode": "MPOL_BIND", "nodes": "0"}):
        inside = _policies()
    assert inside == {"bind:0"}
    assert _policies() == {"default"}


def _policies() -> set[str]:
    lines = subprocess.run(
        ["cat", "/proc/self/numa_maps"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {line.split()[1] for line in lines}


@pytest.mark.parametrize("nodes", ["1-0", "9999", "77"])
def test_nodes_that_cannot_be_are_refused(nodes: str) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        with scheduling.memory_policy({"mode": "MPOL_BIND", "nodes": nodes}):
            pass


def test_the_policy_of_this_thread_is_the_default_again_after_an_error() -> None:
    with pytest.raises(asyncio.CancelledError):
        with scheduling.memory_policy({"mode": "MPOL_INTERLEAVE", "nodes": "0"}):
            raise asyncio.CancelledError
    assert "interleave" not in Path("/proc/thread-self/numa_maps").read_text()
