"""The metrics, if the configuration has an address for them; otherwise nothing is imported."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError
from cri_shim.pods.telemetry import Telemetry
from cri_shim.problems.watch import Problems
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.server import StreamingServer


def metrics(
    config: Config,
    engine: Engine,
    problems: Problems,
    telemetry: Telemetry,
    streams: StreamingServer,
    restarts: Callable[[], int],
    spans: Callable[[], Mapping[str, int]],
) -> AbstractAsyncContextManager[Any]:
    """Return the endpoint of the metrics.

    `restarts` returns how often the gRPC server was made again, `spans` the spans by result.

    ConfigError if the library prometheus_client is missing or too old.
    """
    if not config.metrics.address:
        return nullcontext()
    try:
        from cri_shim.metrics.endpoint import Endpoint
        from cri_shim.metrics.readings import Sources
    except ImportError as e:
        raise ConfigError(
            f"[metrics] the library prometheus_client cannot be used: {e}; install"
            " python3-prometheus-client (PyPI: prometheus-client), or leave metrics.address empty"
        ) from e
    sources = Sources(engine, problems, telemetry.events.broadcast, streams.slots, restarts, spans)
    return Endpoint(config.metrics.address, certificate(config), sources)


def certificate(config: Config) -> Certificate | None:
    """Return the certificate of the metrics; None: they are served without TLS."""
    ours = config.metrics
    if not ours.tls_cert_file:
        return None
    return Certificate(
        Path(ours.tls_cert_file),
        Path(ours.tls_key_file),
        section="metrics",
        client_authorities=Path(ours.tls_client_ca_file) if ours.tls_client_ca_file else None,
    )
