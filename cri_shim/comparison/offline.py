"""The comparison when no daemon runs: with the records of its state, of which a copy is read.

A record that was in work when the daemon ended is left out: the next start undoes or finishes it.
The next start also ends what has no record; `check --repair` does both by a start of its own.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.comparison import place
from cri_shim.comparison.look import Look, Rules, look
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records, Store
from cri_shim.config import Config
from cri_shim.engine import Paths
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.linux import boot
from cri_shim.network.bundled import Bundled, OwnNetwork, subnets_of
from cri_shim.pb import state_pb2 as state
from cri_shim.state import unopened

_POD = (state.POD_CREATING, state.POD_REMOVING)
_CONTAINER = (state.CONTAINER_CREATING, state.CONTAINER_STARTING, state.CONTAINER_REMOVING)


def compare(
    config: Config, paths: Paths, cgroups: ControlGroups, rules: Sequence[str]
) -> tuple[Records, Look]:
    """Return the records and the differences. Nothing is changed. Blocks.

    No daemon may run on these directories. `rules`: those of host ports.
    """
    found = unopened.read(config.server.root / "state")
    where = place.read(config, paths, cgroups)
    known = records(found, where)
    if found.problem:
        return known, Look(problems=(found.problem,))
    return known, look(where, known, Rules(tuple(rules), _subnets(config)))


def records(found: unopened.Records, where: Place) -> Records:
    """Return what the records of a daemon that has ended claim."""
    busy = {pod.id for pod in found.pods if pod.phase in _POD or pod.stopping}
    busy |= {c.id for c in found.containers if c.phase in _CONTAINER or c.pod_id in busy}
    return Records(
        pods={pod.id: pod for pod in found.pods},
        containers={container.id: container for container in found.containers},
        boot_id=boot.boot_id(),
        busy=frozenset(busy | {c.id for c in found.containers if _may_have_ended(c)}),
        store=_store(found, where),
    )


def _may_have_ended(container: state.ContainerRecord) -> bool:
    """Whether its end may be noted nowhere yet, or not be completed: the next start does it."""
    return container.phase == state.CONTAINER_EXITED or (
        lifecycle.has_process(container) and container.HasField("stop")
    )


def _store(found: unopened.Records, where: Place) -> Store:
    layers = {layer.diff_id for layer in found.layers}
    images = {f"sha256:{image.id}" for image in found.images}
    manifests = {image.manifest_digest for image in found.images if image.manifest_digest}
    kept = {blob for layer in found.layers for blob in layer.kept_blobs}
    held = {layer for container in found.containers for layer in container.layers}
    held |= {x for c in found.containers for v in c.image_volumes for x in v.layers}
    mounted = where.mounted
    in_use = {path.name for path in mounted if path.parent == where.paths.run_root / "layers"}
    shown = where.paths.run_root / "images"
    return Store(
        layers=frozenset(layers),
        held=frozenset(held),
        blobs=frozenset(images | manifests | kept),
        needed=frozenset(manifests),
        keeps_others=where.config.image.keep_blobs,
        mounts=frozenset(in_use),  # the next daemon takes them over
        images=frozenset(path.parent.name for path in mounted if path.is_relative_to(shown)),
        began=math.inf,  # no work is in hand
    )


def _subnets(config: Config) -> tuple[str, ...]:
    ours = config.network
    bundled = Bundled(ours.subnet, ours.bridge) if ours.bundled else None
    own = OwnNetwork(Path(config.server.root) / "cni", bundled)
    own.read_pod_cidr()
    listed = own.listed()
    return () if listed is None else tuple(subnets_of(listed))
