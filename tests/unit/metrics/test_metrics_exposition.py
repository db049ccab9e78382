"""The text of the metrics, read back by the library's own parser."""

from prometheus_client.parser import text_string_to_metric_families

from cri_shim.metrics import exposition
from cri_shim.metrics.declared import METRICS
from cri_shim.metrics.histogram import Histogram
from cri_shim.metrics.readings import Readings, Summary, Value

RPC = "cri_shim_rpc_duration_seconds"


async def parsed(readings: Readings) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples of a page: name -> values of its labels by their names -> value."""
    text = (await exposition.page(readings)).decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[
                tuple(value for _, value in sorted(sample.labels.items()))
            ] = sample.value
    return found


async def test_a_histogram_is_cumulative() -> None:
    histogram = Histogram(METRICS[RPC].bounds)
    for seconds in (0.002, 0.002, 500.0):
        histogram.observe(seconds)
    found = await parsed({RPC: {("Status", "OK"): histogram}})

    buckets = found[f"{RPC}_bucket"]
    assert (buckets["OK", "0.001", "Status"], buckets["OK", "0.0025", "Status"]) == (0, 2)
    assert (buckets["OK", "120", "Status"], buckets["OK", "+Inf", "Status"]) == (2, 3)
    assert found[f"{RPC}_count"] == {("OK", "Status"): 3}
    assert found[f"{RPC}_sum"] == {("OK", "Status"): 500.004}


async def test_a_metric_in_several_turns_has_one_help() -> None:
    many: dict[tuple[str, ...], Value] = {
        (f"Verb{number}", "OK"): Histogram(METRICS[RPC].bounds) for number in range(100)
    }
    text = (await exposition.page({RPC: many})).decode()

    assert text.count(f"# HELP {RPC} ") == text.count(f"# TYPE {RPC} ") == 1
    assert text.count(f"{RPC}_count{{") == 100


async def test_counters_gauges_and_summaries_have_their_suffixes() -> None:
    found = await parsed(
        {
            "cri_shim_image_pull_bytes_total": {(): 12},
            "cri_shim_pods": {("ready",): 3},
            "cri_shim_image_pull_duration_seconds": {("ok",): Summary(2, 3.5)},
        }
    )

    assert found["cri_shim_image_pull_bytes_total"] == {(): 12}
    assert found["cri_shim_pods"] == {("ready",): 3}
    assert found["cri_shim_image_pull_duration_seconds_count"] == {("ok",): 2}
    assert found["cri_shim_image_pull_duration_seconds_sum"] == {("ok",): 3.5}


async def test_the_metrics_of_the_process_are_declared() -> None:
    found = await parsed({})

    assert set(found) == {name for name in METRICS if name.startswith("process_")}


async def test_a_foreign_label_value_does_not_break_the_format() -> None:
    evil = 'a"} 1\n# TYPE fake counter\nfake{b="\\'
    found = await parsed({"cri_shim_rpc_in_flight": {(evil,): 1}})

    assert found["cri_shim_rpc_in_flight"] == {(evil,): 1}
