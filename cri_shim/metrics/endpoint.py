"""The metrics of a daemon, from its start of serving to its end."""

import logging
from types import TracebackType

from cri_shim.activity import observing
from cri_shim.aio.cleanup import Closing
from cri_shim.metrics import exposition
from cri_shim.metrics.lag import Lag
from cri_shim.metrics.oom_level import oom_level
from cri_shim.metrics.readings import Sources, read
from cri_shim.metrics.recorder import Recorder
from cri_shim.metrics.server import RESULTS, MetricsServer
from cri_shim.streaming.certificate import Certificate

_log = logging.getLogger(__name__)


class Endpoint:
    """`async with Endpoint(...)`: it counts and serves inside the block."""

    def __init__(self, address: str, certificate: Certificate | None, sources: Sources) -> None:
        self._address = address
        self._sources = sources
        cgroups = sources.engine.cgroups
        self._recorder = Recorder(lambda container: oom_level(cgroups, container.cgroups_path))
        self._lag = Lag()
        self._server = MetricsServer(address, certificate, self.page, exposition.CONTENT_TYPE)
        self._closing = Closing()

    async def __aenter__(self) -> "Endpoint":
        """Start to count and to serve. ConfigError if the address cannot be used."""
        self._server.open()
        self._closing.add("the server of the metrics", self._server.close)
        self._closing.add("the observation", observing.observe(self._recorder))
        objects = self._sources.engine.objects
        objects.follow(self._recorder.changed)
        self._closing.add(
            "the following of objects", lambda: objects.unfollow(self._recorder.changed)
        )
        self._lag.start()
        self._closing.add("the timer of the event loop", self._lag.stop)
        _log.info("metrics are served on %s", self._address)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._closing.close()

    async def page(self) -> bytes:
        """Return the text of all metrics as they are now."""
        readings = read(self._sources, self._recorder, self._lag)
        scrapes = self._server.scrapes
        readings["cri_shim_scrapes_total"] = {(name,): scrapes[name] for name in RESULTS}
        return await exposition.page(readings)
