"""Processes by pid and start time, without starting any."""

import os
import subprocess
from pathlib import Path

from cri_shim.linux import boot, pidfd, proc_table, process

NO_PID = 2**22  # pid_max is at most this, and pids are below it


def test_a_process_is_known_by_pid_and_start_time() -> None:
    start = process.start_time(os.getpid())
    assert start is not None
    assert process.alive(os.getpid(), start)


def test_a_pid_with_another_start_time_is_another_process() -> None:
    start = process.start_time(os.getpid())
    assert start is not None
    assert not process.alive(os.getpid(), start + 1)
    assert pidfd.open_verified(os.getpid(), start + 1) is None


def test_a_process_that_does_not_exist_is_none() -> None:
    assert process.start_time(NO_PID) is None
    assert process.state(NO_PID) is None
    assert not process.alive(NO_PID, 0)
    assert pidfd.open_verified(NO_PID, 0) is None


def test_the_running_process_has_state_r() -> None:
    assert process.state(os.getpid()) == "R"


def test_a_process_is_found_by_its_arguments() -> None:
    mine = Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0")
    assert os.getpid() in process.find_by_cmdline(lambda argv: argv == mine)


def test_no_more_than_the_beginning_of_long_arguments_is_read() -> None:
    words = ["sleep", "60", *(["x" * 100_000] * 10)]
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait", *words]) as child:
        try:
            while not (found := process.arguments(child.pid)):  # it is being executed
                pass
            shown = proc_table.read(child.pid)
        finally:
            child.kill()
    assert found[:2] == ["sh", "-c"]
    assert sum(len(word) + 1 for word in found) <= process.ARGUMENTS_LIMIT + 1
    assert shown is not None
    assert sum(len(word) + 1 for word in shown.command) <= proc_table.COMMAND_LIMIT + 1


def test_kernel_threads_have_no_arguments_and_are_left_out() -> None:
    assert 2 not in process.find_by_cmdline(lambda argv: True)


def test_capability_bits_have_their_names() -> None:
    assert process.parse_capabilities(1 | 1 << 12 | 1 << 40) == {
        "CAP_CHOWN",
        "CAP_NET_ADMIN",
        "CAP_CHECKPOINT_RESTORE",
    }


def test_unknown_capability_bits_are_left_out() -> None:
    assert process.parse_capabilities(1 << 63) == frozenset()


def test_our_own_capabilities_are_known() -> None:
    assert process.own_effective_caps() <= process.own_bounding_caps()


def test_our_own_oom_score_adjustment_is_in_range() -> None:
    assert -1000 <= process.own_oom_score_adj() <= 1000


def test_the_boot_id_is_a_uuid_and_stays() -> None:
    assert len(boot.boot_id()) == 36
    assert boot.boot_id() == boot.boot_id()
