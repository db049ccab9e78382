"""Counters of network namespaces, by files kept open."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation import namespaces
from cri_shim.isolation.net_counters import NetCounters
from cri_shim.linux import mounts


@pytest.fixture
def pinned(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Two network namespaces."""
    paths = {name: tmp_path / "netns" / name for name in ("one", "two")}
    for path in paths.values():
        namespaces.pin({"net": path}, hostname=None, sysctls={})
    yield paths
    for path in mounts.mounts_below(tmp_path):
        mounts.unmount(path)


@pytest.fixture
def counters() -> Iterator[NetCounters]:
    made = NetCounters()
    yield made
    made.close()


def _open(counters: NetCounters, wanted: dict[str, Path]) -> None:
    for id, fd in counters.open(counters.missing(wanted)).items():
        counters.keep(id, fd)


def test_each_namespace_has_its_own_interfaces(
    pinned: dict[str, Path], counters: NetCounters
) -> None:
    _open(counters, pinned)
    own = [interface.name for interface in counters.read("one") or []]
    assert own == ["lo"]
    assert counters.missing(pinned) == {}


def test_a_second_read_is_from_the_start_again(
    pinned: dict[str, Path], counters: NetCounters
) -> None:
    _open(counters, pinned)
    assert counters.read("two") == counters.read("two") != []


def test_a_namespace_that_is_gone_or_no_namespace_has_none(
    pinned: dict[str, Path], counters: NetCounters, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    _open(counters, {"gone": tmp_path / "gone", "plain": plain, **pinned})
    assert (counters.read("gone"), counters.read("plain")) == (None, None)
    assert counters.read("one") is not None


def test_a_forgotten_namespace_is_closed(pinned: dict[str, Path], counters: NetCounters) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    _open(counters, pinned)
    counters.forget("one")
    counters.forget("one")
    assert counters.read("one") is None
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208
