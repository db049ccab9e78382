"""What watches pods and containers and changes nothing: statistics, metrics, events.

Everything that it remembers hangs on the registry's changes: what is gone is forgotten.
"""

from types import TracebackType

from cri_shim.containers.stats import ContainerGauges
from cri_shim.engine import Engine
from cri_shim.pods.events import Events
from cri_shim.pods.metrics.listing import Metrics
from cri_shim.pods.stats import PodGauges


class Observation:
    """`async with Observation(engine)`: remembers, and holds files open, inside the block."""

    def __init__(self, engine: Engine) -> None:
        self._registry = engine.registry
        self.containers = ContainerGauges(engine)
        self.pods = PodGauges(engine, self.containers)
        self.metrics = Metrics(engine, self.pods, self.containers)
        self.events = Events(engine.registry)

    async def __aenter__(self) -> "Observation":
        self.events.start()
        self._registry.follow(self.containers.changed)
        self._registry.follow(self.pods.changed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._registry.unfollow(self.pods.changed)
        self._registry.unfollow(self.containers.changed)
        self.events.close()
        self.pods.close()
