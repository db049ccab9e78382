"""Metrics and traces are imported only if they are on; a missing library is named."""

import dataclasses
import subprocess
import sys

import pytest

from cri_shim.assembly import metrics, traces
from cri_shim.config import Config, Metrics, Tracing
from cri_shim.errors import ConfigError

CONFIG = Config()


@pytest.fixture
def without(monkeypatch):
    """Return a function that makes a library missing."""

    def remove(library: str, package: str) -> None:
        for name in sorted((n for n in sys.modules if n.startswith(package)), reverse=True):
            above, _, last = name.rpartition(".")
            if above in sys.modules:
                monkeypatch.delattr(sys.modules[above], last, raising=False)  # restored at the end
            monkeypatch.delitem(sys.modules, name)
        for name in [name for name in sys.modules if name.split(".")[0] == library]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, library, None)

    return remove


def test_a_missing_library_of_the_traces_is_named_with_the_remedy(without) -> None:
    without("opentelemetry", "cri_shim.tracing")
    config = dataclasses.replace(CONFIG, tracing=Tracing(endpoint="localhost:4317"))
    with pytest.raises(ConfigError) as error:
        traces(config)

    assert "a library of OpenTelemetry cannot be used: " in str(error.value)
    assert "pip install 'cri-shim[tracing]'" in str(error.value)


def test_a_missing_library_of_the_metrics_is_named_with_the_remedy(without) -> None:
    without("prometheus_client", "cri_shim.metrics")
    config = dataclasses.replace(CONFIG, metrics=Metrics(address="127.0.0.1:9920"))
    with pytest.raises(ConfigError, match="install python3-prometheus-client"):
        metrics(config, None, None, None, None, lambda: 0, dict)  # type: ignore[arg-type]


async def test_without_an_endpoint_there_are_no_traces() -> None:
    made = traces(CONFIG)
    async with made:
        assert made.counts() == {}


def test_what_is_off_is_not_imported() -> None:
    code = (
        "import sys, cri_shim.runtime, cri_shim.rpc.server, cri_shim.assembly;"
        "print([m for m in sys.modules"
        " if m.split('.')[0] in ('prometheus_client', 'opentelemetry')"
        " or m.startswith(('cri_shim.metrics', 'cri_shim.tracing'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
