"""CPU rates from two looks at a counter. Pure: the time comes with the sample."""

from dataclasses import dataclass

SPAN_NS = 1_000_000_000  # a shorter one measures the kernel's bookkeeping more than the program


@dataclass(frozen=True, slots=True)
class _Look:
    at: int
    used_ns: int
    rate: int | None


class Rates:
    """The last look at each id. Several callers may look as often as they like."""

    def __init__(self) -> None:
        self._last: dict[str, _Look] = {}

    def seen(self, id: str, at: int, used_ns: int | None) -> int | None:
        """Nanoseconds of CPU time a second, now; None before the second look."""
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
