"""Histograms: their buckets, and the bound of their number."""

from cri_shim.metrics.declared import Metric
from cri_shim.metrics.histogram import Histogram, Histograms

METRIC = Metric("m_seconds", "histogram", "A test.", ("plugin", "verb"), (0.1, 1.0), most=2)


def test_a_value_is_in_the_first_bucket_that_is_not_below_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)

    assert histogram.counts == [2, 2, 1]
    assert histogram.sum == 8.65


def test_too_many_label_values_share_one_histogram() -> None:
    histograms = Histograms(METRIC)
    for number in range(1000):
        histograms.observe((f"plugin{number}", "ADD"), 0.2)

    found = {labels: sum(histogram.counts) for labels, histogram in histograms.items()}
    assert found == {("plugin0", "ADD"): 1, ("plugin1", "ADD"): 1, ("other", "other"): 998}


def test_known_label_values_are_counted_also_when_there_are_too_many() -> None:
    histograms = Histograms(METRIC)
    for name in ("a", "b", "c", "a"):
        histograms.observe((name, "ADD"), 0.2)

    assert dict(histograms.items())["a", "ADD"].counts == [0, 2, 0]


def test_foreign_label_values_are_short_and_can_be_encoded() -> None:
    histograms = Histograms(METRIC)
    histograms.observe(("bad\ud800\n" + "x" * 10_000, "ADD"), 0.2)

    (labels,) = dict(histograms.items())
    assert len(labels[0].encode()) < 100
    assert "\n" not in labels[0]


def test_a_copy_does_not_change_with_later_values() -> None:
    histograms = Histograms(METRIC)
    histograms.observe(("a", "ADD"), 0.2)
    before = dict(histograms.items())
    histograms.observe(("a", "ADD"), 0.2)

    assert before["a", "ADD"].counts == [0, 1, 0]
