"""Observes pods and containers and changes nothing: statistics, metrics, events.

Its memory follows the changes of the objects: data of removed objects is dropped.
"""

from types import TracebackType

from cri_shim.containers.stats import ContainerGauges
from cri_shim.engine import Engine
from cri_shim.pods.events import Events
from cri_shim.pods.metrics.listing import Metrics
from cri_shim.pods.stats import PodGauges


class Telemetry:
    """`async with Telemetry(engine)`: keeps samples and open files inside the block."""

    def __init__(self, engine: Engine) -> None:
        self._objects = engine.objects
        self.containers = ContainerGauges(engine)
        self.pods = PodGauges(engine, self.containers)
        self.metrics = Metrics(engine, self.pods, self.containers)
        self.events = Events(engine.objects)

    async def __aenter__(self) -> "Telemetry":
        self.events.start()
        self._objects.follow(self.containers.changed)
        self._objects.follow(self.pods.changed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._objects.unfollow(self.pods.changed)
        self._objects.unfollow(self.containers.changed)
        self.events.close()
        self.pods.close()
