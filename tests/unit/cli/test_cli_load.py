"""The rows of `top`: rates of two samples, in the order of a key, and unknown values as such."""

from typing import Any

import pytest

from cri_shim.cli import load, table
from cri_shim.pb.control_pb2 import ContainerLoad, LoadResponse, PodLoad, Sample

S = 1_000_000_000


def sample(at: int = 0, **fields: Any) -> Sample:
    return Sample(timestamp=at * S, **fields)


def pod(name: str, sample: Sample, *containers: ContainerLoad, restarts: int = 0) -> PodLoad:
    return PodLoad(
        id=f"id-of-pod-{name}", namespace="default", name=name, sample=sample,
        containers=containers, restarts=restarts,
    )  # fmt: skip


def container(name: str, sample: Sample, restarts: int = 0) -> ContainerLoad:
    return ContainerLoad(id=f"id-of-{name}", name=name, sample=sample, restarts=restarts)


BEFORE = LoadResponse(
    pods=[
        pod("a", sample(1, cpu_nanoseconds=0, read_bytes=0, written_bytes=500)),
        pod("b", sample(1, cpu_nanoseconds=5 * S), container("x", sample(1, cpu_nanoseconds=9))),
    ]
)
NOW = LoadResponse(
    pods=[
        pod(
            "a",
            sample(
                3, cpu_nanoseconds=S, read_bytes=4000, written_bytes=2500, memory_bytes=30_000_000,
                memory_limit_bytes=60_000_000, pids=12, cpu_pressure=1.5, io_pressure=40.0,
                memory_pressure=0,
            ),
            container("new", sample(3, cpu_nanoseconds=S)),
            restarts=3,
        ),
        pod(
            "b",
            sample(3, cpu_nanoseconds=9 * S, memory_bytes=1),
            container("x", sample(3, cpu_nanoseconds=2)),
            container("y", sample(3, memory_bytes=7), restarts=9),
        ),
    ]
)  # fmt: skip


def lines(width: int | None = None, sort: str = "name") -> list[str]:
    rows = load.rows(load.document(BEFORE, NOW, sort))
    return table.lines(load.columns(rows), rows, width=width)


def test_rates_are_of_two_samples_and_unknown_without_them() -> None:
    a, b = load.document(BEFORE, NOW, "name")["pods"]
    assert a == {
        "id": "id-of-pod-a",
        "namespace": "default",
        "name": "a",
        "restarts": 3,
        "cpuPercent": 50.0,
        "memoryBytes": 30_000_000,
        "memoryLimitBytes": 60_000_000,
        "readBytesPerSecond": 2000,
        "writtenBytesPerSecond": 1000,
        "pids": 12,
        "cpuPressure": 1.5,
        "memoryPressure": 0.0,
        "ioPressure": 40.0,
        "containers": [
            {
                "id": "id-of-new",
                "name": "new",
                "restarts": 0,
                "cpuPercent": None,
                "memoryBytes": None,
                "memoryLimitBytes": None,
                "readBytesPerSecond": None,
                "writtenBytesPerSecond": None,
                "pids": None,
                "cpuPressure": None,
                "memoryPressure": None,
                "ioPressure": None,
            }
        ],
    }
    assert b["cpuPercent"] == 200.0
    assert [one["cpuPercent"] for one in b["containers"]] == [None, None]


def test_each_pod_is_followed_by_its_containers() -> None:
    head, *rows = [" ".join(line.split()) for line in lines()]
    assert head == (
        "NAME CPU % MEMORY MEM % LIMIT READ/s WRITE/s PIDS RESTARTS PSI CPU PSI MEM PSI IO ID"
    )
    assert rows == [
        "default/a 50.0 30.0MB 50 60.0MB 2.0kB 1.0kB 12 3 1.5 0.0 40.0 id-of-pod-a",
        "new - - - - - - - 0 - - - id-of-new",
        "default/b 200.0 1B - - - - - 0 - - - id-of-pod-b",
        "x - - - - - - - 0 - - - id-of-x",
        "y - 7B - - - - - 9 - - - id-of-y",
    ]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("cpu", "bxyan"), ("memory", "anbyx"), ("io", "anbxy"), ("pids", "anbxy"),
        ("restarts", "anbyx"), ("psi", "anbxy"), ("name", "anbxy"),
    ],
)  # fmt: skip
def test_rows_are_sorted_and_containers_stay_with_their_pod(sort: str, order: str) -> None:
    found = load.rows(load.document(BEFORE, NOW, sort))
    assert [row.name.strip().removeprefix("default/")[0] for row in found] == list(order)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_the_terminal(width: int) -> None:
    shown = lines(width)
    assert max(map(len, shown)) <= width
    assert "CPU %" in shown[0]
    assert "MEMORY" in shown[0]


def test_a_kernel_without_pressure_has_no_such_columns() -> None:
    bare = LoadResponse(pods=[pod("a", sample(3, cpu_nanoseconds=S))])
    found = load.rows(load.document(BEFORE, bare, "cpu"))
    assert "PSI" not in table.lines(load.columns(found), found)[0]


def test_the_summary_counts_all() -> None:
    assert load.summary(load.document(BEFORE, NOW, "cpu")) == (
        "2 pods, 3 containers, CPU 250.0 %, memory 30.0MB"
    )


def test_a_name_cannot_change_the_terminal() -> None:
    evil = LoadResponse(pods=[pod("\x1b[31mx\n", sample(3))])
    found = load.rows(load.document(BEFORE, evil, "cpu"))
    assert all(line.isprintable() for line in table.lines(load.columns(found), found))
