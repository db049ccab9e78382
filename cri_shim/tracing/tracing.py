"""The traces of a daemon, from its start of serving to its end."""

import logging
import socket
from collections.abc import Mapping
from types import TracebackType

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from cri_shim.activity import observing
from cri_shim.aio.cleanup import Closing
from cri_shim.tracing.exporter import Exporter
from cri_shim.tracing.queue import RESULTS, SpanQueue
from cri_shim.tracing.spans import Spans
from cri_shim.version import __version__

MILLION = 1_000_000
_LIMITS = SpanLimits(max_attributes=16, max_events=0, max_links=8, max_attribute_length=512)

_log = logging.getLogger(__name__)


class Tracing:
    """`async with Tracing(...)`: it makes and sends spans inside the block.

    `per_million` is how many of a million traces are kept that no client has begun.
    """

    def __init__(self, endpoint: str, authorities: str = "", per_million: int = 0) -> None:
        """ConfigError if the file of the authorities cannot be read."""
        self._endpoint = endpoint
        self._exporter = Exporter(endpoint, authorities)
        self._queue = SpanQueue(self._exporter.send)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(per_million / MILLION)),
            resource=Resource(
                {
                    "service.name": "cri-shim",
                    "service.version": __version__,
                    "host.name": socket.gethostname(),
                }
            ),
            span_limits=_LIMITS,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        tracer = self._provider.get_tracer("cri_shim", __version__)
        self._spans = Spans(tracer, always=per_million > 0)
        self._closing = Closing()

    async def __aenter__(self) -> "Tracing":
        self._queue.start()
        self._closing.add("the connection of the traces", self._exporter.close)
        self._closing.add("the queue of spans", self._queue.stop)
        self._closing.add("the observation", observing.observe(self._spans))
        _log.info("traces are sent to %s", self._endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._closing.close()

    def counts(self) -> Mapping[str, int]:
        """Return the number of spans by result, since the start."""
        return {result: self._queue.counts[result] for result in RESULTS}
