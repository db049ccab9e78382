"""conmons and the processes of containers."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.comparison import names, ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records
from cri_shim.linux import process

CONMON, PROCESS = "conmon", "process"
END = "ends it with SIGKILL"
RECORD = "records its end; the kubelet then restarts or removes it"


def find(place: Place, records: Records) -> Iterator[Difference]:
    for pid, id in conmons(place):
        if records.unowned(id):
            subject = names.of_container(place, id)
            text = "a conmon of a container that has no record"
        elif records.ended(id):
            subject, text = records.subject(id), "a conmon of a container that has ended"
        else:
            continue
        path, since = f"process {pid}", _since(pid)
        yield Difference(CONMON, Sort.LEFTOVER, subject, path, text, END, since, key=str(pid))
    yield from _lost(records)


def conmons(place: Place) -> Iterator[tuple[int, str]]:
    """Yield the living conmons of this instance, each with its container's or pod's id."""
    places = (*place.paths.containers(), place.paths.pods())
    found: dict[int, str] = {}

    def is_ours(argv: list[str]) -> bool:
        named = dict(pairwise(argv))
        bundle = Path(named.get("-b", ""))
        return (
            argv[1:2] == ["-c"]
            and "--persist-dir" in argv
            and ours.ID.fullmatch(named.get("-c", "")) is not None
            and any(bundle.is_relative_to(directory) for directory in places)
        )

    for pid in process.find_by_cmdline(is_ours, among=process.in_our_pid_namespace):
        words = process.arguments(pid)
        if len(words) > 2 and (stat := process.stat(pid)) is not None and not stat.has_ended:
            found[pid] = words[2]
    yield from sorted(found.items())


def _lost(records: Records) -> Iterator[Difference]:
    for container in records.made():
        if not lifecycle.has_process(container):
            continue
        subject = records.subject(container.id)
        init, monitor = container.init, container.monitor
        watches = process.alive(monitor.pid, monitor.start_time)
        if process.alive(init.pid, init.start_time):
            if not watches:
                text = "the conmon of a running container has ended: its log is not written"
                path = f"process {monitor.pid}"
                yield Difference(CONMON, Sort.LOST, subject, path, text)
        elif not watches and container.id not in records.watched:
            text = "the process of a container that is recorded as running has ended"
            yield Difference(PROCESS, Sort.LOST, subject, f"process {init.pid}", text, RECORD)


def _since(pid: int) -> float:
    try:
        return Path(f"/proc/{pid}").stat().st_ctime
    except OSError:
        return 0.0
