"""docs/metrics.md: every metric, from the one table that declares them."""

from collections.abc import Iterable, Iterator

from cri_shim.metrics.declared import PARTS, Metric

_INTRODUCTION = """\
# Metrics

The metrics of the daemon for Prometheus. They are off until `metrics.address` is set:

    [metrics]
    address = "unix:///run/cri-shim/metrics.sock"   # or "127.0.0.1:9920"

With `tls_cert_file` and `tls_key_file` a TCP address is served with TLS. With `tls_client_ca_file`,
clients need a certificate, too. Changed files are used for new connections. The metrics of pods and
containers are not here: the kubelet has them.

    curl --unix-socket /run/cri-shim/metrics.sock http://node/metrics

`deploy/metrics` has a dashboard for Grafana, rules for alerts, and objects of the Prometheus
operator.

The number of time series is bounded. `other` stands for label values when there are too many of
them, for instance of CNI plugins. Names of pods, containers and images are no labels. An operation
is the work for a call; it continues when the caller gives up, so it is counted apart from the call.

`hack/docs` writes the rest of this page from the source.
"""


def text() -> str:
    """Return the page."""
    return "\n".join([_INTRODUCTION, *(line for part in PARTS.items() for line in _section(*part))])


def _section(title: str, metrics: Iterable[Metric]) -> Iterator[str]:
    yield f"## {title}\n"
    lines = ["| Metric | Kind | Labels | Meaning |", "| --- | --- | --- | --- |"]
    lines += map(_row, metrics)
    yield "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.doc} |"
