"""The traces, if the configuration has an endpoint for them; otherwise nothing is imported."""

from collections.abc import Mapping
from typing import Any, Protocol

from cri_shim.config import Config
from cri_shim.errors import ConfigError


class Traces(Protocol):
    """A context manager: traces are made and sent inside the block."""

    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, *_: Any) -> None: ...
    def counts(self) -> Mapping[str, int]:
        """Return the number of spans by result, since the start."""


class NoTraces:
    """Makes none."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: Any) -> None:
        pass

    def counts(self) -> Mapping[str, int]:
        return {}


def traces(config: Config) -> Traces:
    """Return the traces. ConfigError if their libraries are missing, or a file cannot be read."""
    ours = config.tracing
    if not ours.endpoint:
        return NoTraces()
    try:
        from cri_shim.tracing.tracing import Tracing
    except ImportError as e:
        raise ConfigError(
            f"[tracing] endpoint is set, and a library of OpenTelemetry cannot be used: {e};"
            " install opentelemetry-sdk and opentelemetry-exporter-otlp-proto-grpc"
            " (pip install 'cri-shim[tracing]'), or leave tracing.endpoint empty"
        ) from e
    return Tracing(ours.endpoint, ours.tls_ca_file, ours.sampling_rate_per_million)
