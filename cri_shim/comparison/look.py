"""Compares the records with the node, class by class. Nothing is changed.

A class that cannot be looked at is a problem in one sentence; the others are looked at all the
same.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cri_shim.comparison import (
    directories,
    groups,
    images,
    leases,
    mounts,
    pins,
    ports,
    processes,
    results,
    runtimes,
)
from cri_shim.comparison.difference import Difference
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records
from cri_shim.errors import CriShimError

MOST = 10_000  # differences of one class: a node with more has one cause

Find = Callable[[Place, Records], Iterator[Difference]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of host ports, and the subnets of the bundled network."""

    lines: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """`problems`: classes that could not be looked at. `seconds`: the time that it took."""

    differences: tuple[Difference, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0


def look(place: Place, records: Records, rules: Rules) -> Look:
    """Return all differences. Blocks, for some 10 ms for each 100 containers."""
    began = time.monotonic()

    def host_ports(place: Place, records: Records) -> Iterator[Difference]:
        return ports.find(place, records, rules.lines, rules.subnets)

    each: dict[str, Find] = {
        "directories": directories.find,
        "mounts": mounts.find,
        "namespaces": pins.find,
        "control groups": groups.find,
        "processes": processes.find,
        "OCI runtimes": runtimes.find,
        "addresses": leases.find,
        "the CNI cache": results.find,
        "host ports": host_ports,
        "the store": images.find,
    }
    found: list[Difference] = []
    problems: list[str] = []
    for what, find in each.items():
        try:
            found += _first(find(place, records))
        except (CriShimError, OSError, ValueError, TypeError, KeyError) as e:
            problems.append(f"{what} could not be compared: {e}")
    return Look(tuple(found), tuple(problems), time.monotonic() - began)


def _first(found: Iterable[Difference]) -> list[Difference]:
    return [difference for difference, _ in zip(found, range(MOST), strict=False)]
