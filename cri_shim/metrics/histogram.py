"""Histograms by labels, with a bound of their number. Used on the event loop only."""

from bisect import bisect_left
from collections.abc import Iterator

from cri_shim.metrics.declared import Metric
from cri_shim.untrusted import printable

OTHER = "other"  # every label of the observations for which there are too many label values
_LONGEST = 64  # characters of a label's value


class Histogram:
    """`counts` has one more number than `bounds`: of the values above the last bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def copy(self) -> "Histogram":
        copy = Histogram(self.bounds)
        copy.counts, copy.sum = list(self.counts), self.sum
        return copy


class Histograms:
    """The histograms of one metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._by_raw: dict[tuple[str, ...], Histogram] = {}
        self._by_shown: dict[tuple[str, ...], Histogram] = {}

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        """Add an observation; `labels` are values in the order of the metric's label names."""
        found = self._by_raw.get(labels)
        if found is None:
            found = self._new(labels)
        found.observe(seconds)

    def _new(self, labels: tuple[str, ...]) -> Histogram:
        if len(self._by_raw) >= self._metric.most:
            return self._shown((OTHER,) * len(labels))
        found = self._shown(tuple(printable(value, _LONGEST) for value in labels))
        self._by_raw[labels] = found
        return found

    def _shown(self, labels: tuple[str, ...]) -> Histogram:
        return self._by_shown.setdefault(labels, Histogram(self._metric.bounds))

    def items(self) -> Iterator[tuple[tuple[str, ...], Histogram]]:
        """Yield copies by label values; later observations do not change them."""
        for labels, histogram in self._by_shown.items():
            yield labels, histogram.copy()
