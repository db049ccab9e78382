"""What the metrics read, without a runtime: real counters, and a stand-in of the rest."""

from types import SimpleNamespace
from typing import cast

from cri_shim.aio.broadcast import Broadcast
from cri_shim.engine import Engine
from cri_shim.metrics.readings import Sources
from cri_shim.objects import ObjectStore
from cri_shim.oci.exits import Exits
from cri_shim.pb import api_pb2 as api
from cri_shim.problems.finding import Finding, Level
from cri_shim.problems.watch import Problems
from cri_shim.state.memory import MemoryStore
from cri_shim.store.fetching.progress import Pulls
from cri_shim.streaming.slots import Slots
from cri_shim.work import Work


def sources() -> Sources:
    """Return sources with one problem of the node, and without objects."""
    engine = SimpleNamespace(
        objects=ObjectStore(MemoryStore()),
        work=Work(),
        images=SimpleNamespace(pulls=Pulls(), catalog=SimpleNamespace(images=list)),
        oci=SimpleNamespace(handlers={}, default_handler="crun", exits=Exits()),
        network=SimpleNamespace(status=lambda: SimpleNamespace(ready=True)),
        cgroups=None,
    )
    problems = SimpleNamespace(problems=lambda: [Finding("network", Level.WARNING, "none")])
    return Sources(
        cast(Engine, engine),
        cast(Problems, problems),
        Broadcast[api.ContainerEventResponse](10, lambda event: event.ByteSize()),
        Slots(10, 5, 1000),
        lambda: 2,
        lambda: {"exported": 7},
    )
