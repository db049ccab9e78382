"""The table of metrics: names by the conventions of Prometheus; every stage is declared."""

import ast
import re
from pathlib import Path

import pytest

import cri_shim
from cri_shim.metrics.declared import METRICS, STAGES, Metric


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_name_follows_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"(cri_shim|process)_[a-z_]*[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.doc.endswith(".")
    if metric.kind in ("histogram", "summary"):
        assert metric.name.endswith("_seconds")


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_histogram_has_rising_bounds_and_a_limit(metric: Metric) -> None:
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert sorted(set(metric.bounds)) == list(metric.bounds)
    assert metric.most >= 1


def _literal_steps() -> set[str]:
    """The names of steps that are literals; others have a name of a program, or of an object."""
    calls = (
        node
        for file in Path(cri_shim.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Step"
    )
    first = (call.args[0] for call in calls if call.args)
    return {str(name.value) for name in first if isinstance(name, ast.Constant)}


def test_every_step_with_a_fixed_name_is_a_stage() -> None:
    programs = {"skopeo copy", "skopeo inspect"}
    assert _literal_steps() - programs == STAGES
