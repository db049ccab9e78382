"""conmons, recorded processes, and the lists of OCI runtimes, with real processes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.comparison import processes, runtimes
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.directories import REMOVE
from cri_shim.comparison.records import Records
from cri_shim.linux import process
from cri_shim.pb import state_pb2 as state
from tests.unit.comparison.conftest import BOOT, CONTAINER, STRANGER, Instance

DEAD = state.Process(pid=1, start_time=1)  # pid 1 was not started then


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """The command lines of the only processes that a look finds; each pid is of this process."""
    known: dict[int, list[str]] = {}

    def find(predicate: Callable[[list[str]], bool], **_: object) -> list[int]:
        return [pid for pid, words in known.items() if predicate(words)]

    monkeypatch.setattr(process, "find_by_cmdline", find)
    monkeypatch.setattr(process, "arguments", lambda pid: known[pid])
    return known


def conmon(id: str, bundle: Path, *more: str) -> list[str]:
    return ["/usr/bin/conmon", "-c", id, "-u", id, "-b", str(bundle), "--persist-dir", "/x", *more]


def of_processes(instance: Instance) -> list[Difference]:
    return list(processes.find(instance.place(), instance.records()))


def running(instance: Instance, init: state.Process, monitor: state.Process) -> None:
    instance.pod()
    instance.container(state.CONTAINER_RUNNING)
    instance.containers[CONTAINER].init.CopyFrom(init)
    instance.containers[CONTAINER].monitor.CopyFrom(monitor)


def me() -> state.Process:
    start = process.start_time(os.getpid())
    assert start is not None
    return state.Process(pid=os.getpid(), start_time=start)


def test_a_running_container_with_its_conmon_is_no_difference(instance: Instance) -> None:
    running(instance, me(), me())

    assert of_processes(instance) == []


def test_a_process_that_ended_unnoticed_is_lost(instance: Instance) -> None:
    running(instance, DEAD, DEAD)

    (difference,) = of_processes(instance)

    assert (difference.kind, difference.sort) == ("process", Sort.LOST)
    assert difference.repair == processes.RECORD


def test_the_end_of_a_watched_container_is_about_to_be_noticed(instance: Instance) -> None:
    running(instance, DEAD, DEAD)
    records = Records(
        instance.pods, instance.containers, BOOT, watched=frozenset(instance.containers)
    )

    assert list(processes.find(instance.place(), records)) == []


def test_a_conmon_that_ended_is_named_and_not_mended(instance: Instance) -> None:
    running(instance, me(), DEAD)

    (difference,) = of_processes(instance)

    assert (difference.kind, difference.sort) == ("conmon", Sort.LOST)
    assert difference.repair == ""


def test_conmons_of_this_instance_need_a_record(
    instance: Instance, table: dict[int, list[str]]
) -> None:
    instance.pod()
    instance.container(state.CONTAINER_EXITED)
    paths = instance.paths
    table[os.getpid()] = conmon(STRANGER, paths.bundle(STRANGER))
    table[os.getppid()] = conmon(CONTAINER, paths.bundle(CONTAINER))
    table[1] = conmon("d" * 64, Path("/run/another") / ("d" * 64))
    table[2] = ["conmon", "-c"]

    found = {d.id: d for d in of_processes(instance)}

    assert found.keys() == {STRANGER, CONTAINER}
    assert found[STRANGER].path == f"process {os.getpid()}"
    assert {d.repair for d in found.values()} == {processes.END}


def test_the_conmon_of_a_recorded_container_is_no_difference(
    instance: Instance, table: dict[int, list[str]]
) -> None:
    running(instance, me(), me())
    table[os.getpid()] = conmon(CONTAINER, instance.paths.bundle(CONTAINER))

    assert of_processes(instance) == []


def test_what_the_oci_runtime_lists_needs_a_record(instance: Instance) -> None:
    running(instance, me(), me())
    for name in (f"crun/{STRANGER}", "crun/.cache", f"runc/{CONTAINER}"):
        (instance.paths.run_root / "oci" / name).mkdir(parents=True)

    (difference,) = runtimes.find(instance.place(), instance.records())

    assert (difference.id, difference.key, difference.repair) == (STRANGER, "crun", REMOVE)


def test_a_running_container_that_no_oci_runtime_lists_is_lost(instance: Instance) -> None:
    running(instance, me(), me())
    instance.containers[CONTAINER].handler = "crun"

    (difference,) = runtimes.find(instance.place(), instance.records())

    assert (difference.sort, difference.repair) == (Sort.LOST, "")
    assert difference.sentence.startswith("crun does not list a running container")
