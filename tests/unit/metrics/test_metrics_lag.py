"""The lag of the event loop: a timer that came late."""

import time

from cri_shim.metrics import lag as module
from cri_shim.metrics.lag import Lag
from tests.fixtures.waiting import until


async def test_a_loop_that_was_held_is_late(monkeypatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.001)
    lag = Lag()
    lag.start()
    time.sleep(0.06)  # noqa: ASYNC251 - it holds the loop
    await until(lambda: dict(lag.histograms.items()) != {})
    lag.stop()

    assert dict(lag.histograms.items())[()].sum > 0.05
