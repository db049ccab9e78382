"""The CRI's messages of what groups use: unknown is unset, and not 0."""

from cri_shim.containers import usage
from cri_shim.isolation.cgroup_files import Pressure, Stall
from cri_shim.isolation.cgroup_stats import Memory, Swap, Usage

FULL = Usage(
    at=9,
    cpu_ns=100,
    memory=Memory(9000, 2500, 3000, 50, 5, 10000),
    swap=Swap(1000, 4000),
    cpu_pressure=Pressure(Stall(1000, 1.5, 0.5, 0.25), None),
    io_pressure=Pressure(Stall(2000, 0.0, 0.0, 0.0), Stall(1000, 0.0, 0.0, 0.0)),
)
BARE = Usage(at=9, cpu_ns=None, memory=None, swap=None)


def test_every_known_value_is_set() -> None:
    cpu = usage.cpu(FULL, 42)
    assert (cpu.timestamp, cpu.usage_core_nano_seconds.value, cpu.usage_nano_cores.value) == (
        9,
        100,
        42,
    )
    assert (cpu.psi.Some.Total, cpu.psi.Some.Avg10, cpu.psi.HasField("Full")) == (1000, 1.5, False)
    memory = usage.memory(FULL)
    assert (memory.working_set_bytes.value, memory.available_bytes.value) == (6500, 3500)
    assert not memory.HasField("psi")
    swap, io = usage.swap(FULL), usage.io(FULL)
    assert swap is not None
    assert (swap.swap_usage_bytes.value, swap.swap_available_bytes.value) == (1000, 4000)
    assert io is not None
    assert (io.psi.Some.Total, io.psi.Full.Total) == (2000, 1000)


def test_unknown_values_are_unset() -> None:
    cpu, memory = usage.cpu(BARE, None), usage.memory(BARE)
    unset = ("usage_core_nano_seconds", "usage_nano_cores", "psi")
    assert not any(cpu.HasField(name) for name in unset)  # type: ignore[arg-type]
    assert not memory.HasField("usage_bytes")
    assert (usage.swap(BARE), usage.io(BARE)) == (None, None)


def test_zero_is_set_as_zero() -> None:
    assert usage.cpu(Usage(9, 0, None, None), 0).HasField("usage_nano_cores")


def test_a_sum_adds_what_is_known_and_has_no_limit() -> None:
    both = usage.total([FULL, BARE, FULL], 10)
    assert both.cpu_ns == 200
    assert both.memory == Memory(18000, 5000, 6000, 100, 10, None)
    assert both.swap == Swap(2000, None)
    assert both.cpu_pressure is None


def test_a_sum_of_nothing_is_not_known() -> None:
    assert not usage.total([], 10).known
