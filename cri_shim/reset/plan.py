"""What a reset would remove: found without changing anything."""

from dataclasses import dataclass
from pathlib import Path

from cri_shim.activity import subject
from cri_shim.assembly import node
from cri_shim.comparison import groups, leases, ours
from cri_shim.config import Config
from cri_shim.engine import Paths
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.linux import mounts
from cri_shim.pb import state_pb2 as state
from cri_shim.problems.offline import in_use
from cri_shim.reset import network
from cri_shim.state import unopened


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is removed: a pod, an image, a bridge, a mount, a directory, ..."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`refusal`: why nothing may be removed now. `kept`: what cri-shim did not make; it stays."""

    parts: tuple[Part, ...]
    kept: tuple[str, ...]
    refusal: str = ""


def look(config: Config, *, images: bool) -> Plan:
    """Return everything of this runtime on the node. Blocks."""
    records = unopened.read(config.server.root / "state")
    parts = [
        *(Part("pod", _pod_name(pod)) for pod in records.pods),
        *(Part("container", name) for name in _container_names(records)),
        *(Part("without record", id) for id in sorted(_strays(config, records))),
    ]
    if images:
        names = (image.repo_tags or image.repo_digests or [image.id] for image in records.images)
        parts += [Part("image", each[0]) for each in names]
    parts += [Part("network", name) for name in network.names(config)]
    parts += [Part("address", str(path)) for path in leases.held_by(ours.ids(config))]
    parts += [Part("network namespace", str(path)) for path in ours.pins(config)]
    parts += [Part("mount", str(path)) for path in mounts_of(config)]
    parts += [Part("control group", str(path)) for path in control_groups(config)]
    parts += [Part("file", str(path)) for path in ours.entries(config, images=images)]
    kept = [f"{path}: not made by cri-shim" for path in ours.foreign(config)]
    refusals = [finding.text for finding in in_use(config)]
    return Plan(tuple(parts), tuple(kept), refusals[0] if refusals else "")


def _pod_name(pod: state.PodRecord) -> str:
    metadata = pod.config.metadata
    return f"{metadata.namespace}/{metadata.name} ({pod.id[:12]})"


def _container_names(records: unopened.Records) -> list[str]:
    homes = {pod.id: pod.config.metadata for pod in records.pods}
    return [
        str(subject.container(homes.get(c.pod_id), c.config.metadata.name, c.id)).partition(" ")[2]
        for c in records.containers
    ]


def _strays(config: Config, records: unopened.Records) -> set[str]:
    known = {pod.id for pod in records.pods} | {c.id for c in records.containers}
    return ours.ids(config) - known


def mounts_of(config: Config) -> list[Path]:
    """Return the mounts on what cri-shim made in root and run root, the outermost first."""
    entries = ours.entries(config, images=True)
    return [path for entry in entries for path in mounts.mounts_below(entry)]


def control_groups(config: Config) -> list[Path]:
    """Return the parents of control groups that only this runtime uses."""
    server = config.server
    paths = Paths(server.root, server.run_root, config.network.netns_dir)
    cgroups = node.cgroups(config, paths)
    if not isinstance(cgroups, Cgroups) or cgroups.top:
        return []  # a user's groups end with the user's service
    trees, parents = Hierarchies().all(), groups.own_parents(cgroups)
    found = [tree.group(parent) for tree in trees for parent in parents]
    return [group for group in found if group.is_dir()]
