"""CPU rates from two samples of a counter. Pure: each sample has its time."""

from dataclasses import dataclass

SPAN_NS = 1_000_000_000  # a shorter one measures the kernel's bookkeeping more than the program


@dataclass(frozen=True, slots=True)
class _Look:
    at: int
    used_ns: int
    rate: int | None


class Rates:
    """The last sample of each id. Several callers may sample as often as they like."""

    def __init__(self) -> None:
        self._last: dict[str, _Look] = {}

    def seen(self, id: str, at: int, used_ns: int | None) -> int | None:
        """Add a sample; return the rate in ns of CPU time a second, None at the first sample."""
        if used_ns is None:
            return None
        last = self._last.get(id)
        if last is None or used_ns < last.used_ns or at < last.at:
            self._last[id] = _Look(at, used_ns, None)
            return None
        if at - last.at < SPAN_NS:
            return last.rate
        rate = (used_ns - last.used_ns) * 1_000_000_000 // (at - last.at)
        self._last[id] = _Look(at, used_ns, rate)
        return rate

    def forget(self, id: str) -> None:
        self._last.pop(id, None)
