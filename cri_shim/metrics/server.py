"""The server of the page of metrics: a few connections at once, which share one page.

A new connection above the limit replaces the oldest one: connections that say nothing cannot keep
the scraper out.
"""

import os
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from cri_shim.aio.singleflight import SingleFlight
from cri_shim.errors import ConfigError
from cri_shim.metrics.address import bound, released
from cri_shim.metrics.connection import OK, REFUSED, TIMEOUT, Connection
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.listener import Listener

MAX_CONNECTIONS = 8  # a scraper needs one, and a person one
DROPPED = "dropped"
RESULTS = (OK, REFUSED, TIMEOUT, DROPPED)


class MetricsServer:
    """`page` makes the text; requests that come while it is made get the same one."""

    def __init__(
        self,
        address: str,
        certificate: Certificate | None,
        page: Callable[[], Coroutine[Any, Any, bytes]],
        content_type: str,
    ) -> None:
        self._address, self._certificate = address, certificate
        self._make, self._content_type = page, content_type
        self._pages = SingleFlight[str, bytes]("page of metrics")
        self._connections: dict[Connection, None] = {}  # oldest first
        self._listener: Listener | None = None
        self.scrapes: Counter[str] = Counter()

    def open(self) -> None:
        """Start to serve. ConfigError if the address or the certificate cannot be used."""
        certificate = self._certificate
        context = None if certificate is None else certificate.load()
        self._listener = Listener(self._connection, context, "clients of the metrics")
        try:
            self._listener.listen_on(bound(self._address))
        except OSError as e:
            why = os.strerror(e.errno) if e.errno else str(e)
            raise ConfigError(
                f"[metrics] cannot listen on {self._address}: {why}; choose another address"
            ) from e

    async def close(self) -> None:
        """Stop to serve; connections end at once."""
        if self._listener is not None:
            await self._listener.close()
            released(self._address)
        for connection in list(self._connections):
            connection.abort()
        await self._pages.drain(0)

    async def _page(self) -> bytes:
        return await self._pages.do("", self._make)

    def _connection(self) -> Connection:
        return Connection(self, self._page, self._content_type)

    # -- called by the connections ------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        if self._certificate is not None and self._listener is not None:
            self._certificate.refresh()
            self._listener.context = self._certificate.context  # of the next connection
        self._connections[connection] = None
        if len(self._connections) > MAX_CONNECTIONS:
            self.count(DROPPED)
            next(iter(self._connections)).abort()

    def closed(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def count(self, result: str) -> None:
        self.scrapes[result] += 1
