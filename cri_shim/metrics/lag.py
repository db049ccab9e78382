"""How late the event loop is: a timer that is due once a second, and when it really runs."""

import asyncio

from cri_shim.metrics.declared import METRICS
from cri_shim.metrics.histogram import Histograms

EVERY_S = 1.0


class Lag:
    """Measures from `start` to `stop`."""

    def __init__(self) -> None:
        self.histograms = Histograms(METRICS["cri_shim_event_loop_lag_seconds"])
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + EVERY_S, self._measure, loop.time() + EVERY_S)

    def _measure(self, due: float) -> None:
        late = asyncio.get_running_loop().time() - due
        self.histograms.observe((), max(0.0, late))
        self.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
