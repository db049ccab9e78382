"""The connection to a receiver of OTLP, and one log line when it fails and when it works again."""

import logging
from collections.abc import Sequence
from pathlib import Path

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from cri_shim.errors import ConfigError
from cri_shim.untrusted import one_line, read_file

SEND_S = 5  # for one message, with the library's own retries
_CA_LIMIT = 1 << 20  # bytes
_LIBRARY = "opentelemetry"

_log = logging.getLogger(__name__)


class _Words(logging.Handler):
    """Keeps the last line of the library's log, which would repeat it at each failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = one_line(record.getMessage())


class Exporter:
    """`endpoint` is HOST:PORT. With `authorities`, a file of certificates, it is TLS."""

    def __init__(self, endpoint: str, authorities: str = "") -> None:
        """ConfigError if the file cannot be read."""
        self._endpoint = endpoint
        self._works = True
        self._words = _Words()
        library = logging.getLogger(_LIBRARY)
        library.propagate = False
        library.handlers = [self._words]
        scheme = "https" if authorities else "http"
        self._exporter = OTLPSpanExporter(
            endpoint=f"{scheme}://{endpoint}",
            insecure=not authorities,
            credentials=_credentials(authorities) if authorities else None,
            timeout=SEND_S,
        )

    def send(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send spans; return whether the receiver has taken them. It blocks for SEND_S at most."""
        self._words.last = ""
        try:
            taken = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as e:  # the library, or what the receiver has answered
            taken, self._words.last = False, f"{type(e).__name__}: {one_line(e)}"
        if taken != self._works:
            self._works = taken
            self._tell()
        return taken

    def _tell(self) -> None:
        if self._works:
            _log.info("traces are taken by %s again", self._endpoint)
        else:
            _log.warning(
                "traces cannot be sent to %s, and are dropped until it takes them: %s",
                self._endpoint,
                self._words.last or "no answer",
            )

    def close(self) -> None:
        """End the connection; a message that is being sent fails."""
        self._exporter.shutdown(timeout_millis=0)


def _credentials(authorities: str) -> grpc.ChannelCredentials:
    try:
        return grpc.ssl_channel_credentials(read_file(Path(authorities), _CA_LIMIT))
    except (OSError, ValueError) as e:
        raise ConfigError(f"[tracing] cannot use tls_ca_file {authorities}: {e}") from e
