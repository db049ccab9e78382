"""What pods and containers use, as rows of `cri-shim top`: rates from two samples, sorted.

A value that the kernel does not have is None in the JSON and `-` in the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.cli.pulls import size
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb.control_pb2 import ContainerLoad, LoadResponse, PodLoad, Sample

_ID = 13  # characters of an id, as in the lists
_NS = 1_000_000_000

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A pod, or below it a container: what the table shows of the document."""

    name: str
    values: Document


def document(before: "LoadResponse", now: "LoadResponse", sort: str) -> Document:
    """Return the pods with their containers, JSON-able; each list is sorted by the key `sort`."""
    earlier: dict[str, Sample] = {}
    for pod in before.pods:
        earlier[pod.id] = pod.sample
        earlier |= {container.id: container.sample for container in pod.containers}
    pods = [
        {
            **_values(pod, earlier),
            "containers": _sorted([_values(one, earlier) for one in pod.containers], sort),
        }
        for pod in now.pods
    ]
    return {"pods": _sorted(pods, sort)}


def rows(document: Document) -> list[Row]:
    """Return the rows of a table: each pod, and its containers below it."""
    found = []
    for pod in document["pods"]:
        found.append(Row(f"{pod['namespace']}/{pod['name']}", pod))
        found += [Row(f"  {one['name']}", one) for one in pod["containers"]]
    return found


def summary(document: Document) -> str:
    """Return one line about all of them."""
    pods = document["pods"]
    containers = sum(len(pod["containers"]) for pod in pods)
    cpu = sum(pod["cpuPercent"] or 0.0 for pod in pods)
    memory = size(sum(pod["memoryBytes"] or 0 for pod in pods))
    return f"{len(pods)} pods, {containers} containers, CPU {cpu:.1f} %, memory {memory}"


def columns(rows: Sequence[Row]) -> list[Column[Row]]:
    """Return the columns; those of pressure only if the kernel has it."""
    return [
        Column("NAME", lambda row: row.name, cut=True),
        Column("CPU %", _number("cpuPercent")),
        Column("MEMORY", _size("memoryBytes")),
        Column("MEM %", _memory_percent, rank=2),
        Column("LIMIT", _size("memoryLimitBytes"), rank=5),
        Column("READ/s", _size("readBytesPerSecond"), rank=4),
        Column("WRITE/s", _size("writtenBytesPerSecond"), rank=4),
        Column("PIDS", _whole("pids"), rank=1),
        Column("RESTARTS", _whole("restarts"), rank=3),
        *(
            Column(head, _number(key), rank=6)
            for head, key in (
                ("PSI CPU", "cpuPressure"),
                ("PSI MEM", "memoryPressure"),
                ("PSI IO", "ioPressure"),
            )
            if any(row.values[key] is not None for row in rows)
        ),
        Column("ID", lambda row: row.values["id"][:_ID], rank=7),
    ]


def _values(one: "PodLoad | ContainerLoad", earlier: "Mapping[str, Sample]") -> Document:
    now, before = one.sample, earlier.get(one.id)
    cpu = _rate(before, now, "cpu_nanoseconds")
    namespace = {"namespace": one.namespace} if hasattr(one, "namespace") else {}
    return {
        "id": one.id,
        **namespace,
        "name": one.name,
        "restarts": one.restarts,
        "cpuPercent": None if cpu is None else round(100 * cpu / _NS, 2),
        "memoryBytes": _of(now, "memory_bytes"),
        "memoryLimitBytes": _of(now, "memory_limit_bytes"),
        "readBytesPerSecond": _rounded(_rate(before, now, "read_bytes")),
        "writtenBytesPerSecond": _rounded(_rate(before, now, "written_bytes")),
        "pids": _of(now, "pids"),
        "cpuPressure": _of(now, "cpu_pressure"),
        "memoryPressure": _of(now, "memory_pressure"),
        "ioPressure": _of(now, "io_pressure"),
    }


def _of(sample: "Sample", field: str) -> Any:
    return getattr(sample, field) if sample.HasField(field) else None  # type: ignore[arg-type]


def _rate(before: "Sample | None", now: "Sample", field: str) -> float | None:
    """Return the growth in a second; None without a sample before, or after a restart."""
    if before is None or now.timestamp <= before.timestamp:
        return None
    first, last = _of(before, field), _of(now, field)
    if first is None or last is None or last < first:
        return None
    return float((last - first) * _NS / (now.timestamp - before.timestamp))


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


# What rows are sorted by: the largest first, except names.
KEYS: dict[str, Callable[[Document], float]] = {
    "cpu": lambda row: row["cpuPercent"] or 0,
    "memory": lambda row: row["memoryBytes"] or 0,
    "io": lambda row: (row["readBytesPerSecond"] or 0) + (row["writtenBytesPerSecond"] or 0),
    "pids": lambda row: row["pids"] or 0,
    "restarts": lambda row: row["restarts"],
    "psi": lambda row: max(
        row[key] or 0 for key in ("cpuPressure", "memoryPressure", "ioPressure")
    ),
    "name": lambda row: 0,
}


def _sorted(rows: list[Document], sort: str) -> list[Document]:
    value = KEYS[sort]
    return sorted(rows, key=lambda row: (-value(row), row.get("namespace", ""), row["name"]))


def _number(key: str) -> Callable[[Row], str]:
    return lambda row: "-" if row.values[key] is None else f"{row.values[key]:.1f}"


def _whole(key: str) -> Callable[[Row], str]:
    return lambda row: "-" if row.values[key] is None else str(row.values[key])


def _size(key: str) -> Callable[[Row], str]:
    return lambda row: "-" if row.values[key] is None else size(row.values[key])


def _memory_percent(row: Row) -> str:
    used, limit = row.values["memoryBytes"], row.values["memoryLimitBytes"]
    return f"{100 * used / limit:.0f}" if limit and used is not None else "-"
