"""Parses the files of control groups: text in, numbers out.

A value that a file does not have is None or missing; that is not 0.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

_READ_BYTES = 1 << 16  # the kernel returns such a file in one read; the largest have a few KiB
_V1_UNLIMITED = 1 << 62  # v1 writes "no limit" as the largest number of whole pages


@dataclass(frozen=True, slots=True)
class Stall:
    """Pressure stall information: total waiting time, and its share of the last seconds."""

    total_ns: int
    avg10: float
    avg60: float
    avg300: float


@dataclass(frozen=True, slots=True)
class Pressure:
    """`some`: at least one task waited; `full`: all of them did."""

    some: Stall | None
    full: Stall | None


@dataclass(frozen=True, slots=True)
class BlockIo:
    """Bytes or operations to and from one device since the start."""

    device: str  # MAJOR:MINOR
    operation: str  # Read, Write, ...
    amount: int  # bytes or operations


def read(path: str) -> str | None:
    """Return a whole file; None if it, or its group, does not exist."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.read(fd, _READ_BYTES).decode()
    except OSError:  # ENODEV: removed meanwhile. EOPNOTSUPP: pressure is switched off.
        return None
    finally:
        os.close(fd)


def number(text: str | None) -> int | None:
    """Parse a file of one number. "max" and v1's huge number, both "no limit", are None."""
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        return None
    return value if value < _V1_UNLIMITED else None


def keyed(text: str | None) -> dict[str, int]:
    """Parse a file of lines "KEY NUMBER"; None gives an empty dictionary."""
    words = (text or "").split()  # fast: memory.stat of every container has forty lines
    return dict(zip(words[::2], map(int, words[1::2]), strict=False))


def pressure(text: str | None) -> Pressure | None:
    """Parse a *.pressure file: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", "full ..."."""
    stalls: dict[str, Stall] = {}
    for line in (text or "").splitlines():
        kind, *pairs = line.split()
        value = dict(pair.split("=", 1) for pair in pairs)
        stalls[kind] = Stall(
            total_ns=int(value["total"]) * 1000,  # the kernel counts microseconds
            avg10=float(value["avg10"]),
            avg60=float(value["avg60"]),
            avg300=float(value["avg300"]),
        )
    return Pressure(stalls.get("some"), stalls.get("full")) if stalls else None


def block_v1(text: str | None) -> Iterator[BlockIo]:
    """Parse blkio.throttle.*: lines "254:0 Read 4096"; the last one, "Total 4096", is left out."""
    for line in (text or "").splitlines():
        words = line.split()
        if len(words) == 3:
            yield BlockIo(words[0], words[1], int(words[2]))


_V2_OPERATIONS = {
    "bytes": {"rbytes": "Read", "wbytes": "Write", "dbytes": "Discard"},
    "operations": {"rios": "Read", "wios": "Write", "dios": "Discard"},
}


def block_v2(text: str | None, what: str) -> Iterator[BlockIo]:
    """Parse io.stat: lines "254:0 rbytes=4096 wbytes=0 rios=1 ..."; `what`: bytes, operations."""
    names = _V2_OPERATIONS[what]
    for line in (text or "").splitlines():
        device, *pairs = line.split()
        for pair in pairs:
            name, _, value = pair.partition("=")
            if name in names:
                yield BlockIo(device, names[name], int(value))
