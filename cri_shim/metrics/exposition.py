"""The text format of Prometheus, made in short turns so that the event loop is never held long.

A thread would be no better: it would hold the interpreter's lock for 5 ms at a time.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import generate_latest

from cri_shim.metrics.declared import METRICS, Metric
from cri_shim.metrics.histogram import Histogram
from cri_shim.metrics.readings import Readings, Summary, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TURN = 16  # label sets of a metric in one turn; the lines of so many histograms take a millisecond

_Values = Mapping[tuple[str, ...], Value]


async def page(readings: Readings) -> bytes:
    """Return the page of all metrics. Other callbacks of the loop run between its parts."""
    parts: list[bytes] = []
    for family in _families(readings):
        parts.append(family)
        await asyncio.sleep(0)
    return b"".join(parts)


def _families(readings: Readings) -> Iterator[bytes]:
    for name, metric in METRICS.items():
        if name in readings:
            yield from _texts(metric, readings[name])
    for family in ProcessCollector(registry=None).collect():
        yield _text(family)


def _texts(metric: Metric, values: _Values) -> Iterator[bytes]:
    """Yield the lines of a metric in parts; only the first part has its help and type."""
    items = iter(values.items())
    yield _text(_family(metric, list(islice(items, TURN))))
    while part := list(islice(items, TURN)):
        lines = _text(_family(metric, part)).splitlines(keepends=True)
        yield b"".join(line for line in lines if not line.startswith(b"# "))


def _text(family: Family) -> bytes:
    return generate_latest(_One(family))


class _One:
    """A registry of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


def _family(metric: Metric, values: Sequence[tuple[tuple[str, ...], Value]]) -> Family:
    name, doc, labels = metric.name, metric.doc, metric.labels
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, doc, labels=labels)
        for key, value in values:
            assert isinstance(value, Histogram)
            histogram.add_metric(key, _buckets(value), value.sum)
        return histogram
    if metric.kind == "summary":
        summary = SummaryMetricFamily(name, doc, labels=labels)
        for key, value in values:
            assert isinstance(value, Summary)
            summary.add_metric(key, value.count, value.seconds)
        return summary
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, doc, labels=labels)
    for key, value in values:
        assert isinstance(value, int | float)
        family.add_metric(key, value)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
