"""An instance in a temporary directory: its places, and records of a pod with a container."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cri_shim.comparison import ours
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records, Store
from cri_shim.config import Config
from cri_shim.engine import Paths
from cri_shim.isolation.no_cgroups import NoCgroups
from cri_shim.linux.mounts import Mount
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state

BOOT = "this boot"
POD, CONTAINER, STRANGER = "a" * 64, "b" * 64, "c" * 64


@dataclass
class Instance:
    top: Path
    config: Config
    paths: Paths
    pods: dict[str, state.PodRecord] = field(default_factory=dict)
    containers: dict[str, state.ContainerRecord] = field(default_factory=dict)
    mounted: dict[Path, Mount] = field(default_factory=dict)
    store: Store | None = None

    def pod(self, phase: "state.PodPhase.ValueType" = state.POD_READY, id: str = POD) -> None:
        """Record a pod with its directory; a ready one has all pins."""
        config = api.PodSandboxConfig()
        config.metadata.namespace, config.metadata.name = "shop", "web"
        record = state.PodRecord(id=id, phase=phase, config=config, boot_id=BOOT)
        self.pods[id] = record
        self.paths.pod(id).mkdir(parents=True)
        for path in self.paths.pins(record).values() if phase == state.POD_READY else ():
            self.mount(path, "nsfs")

    def container(
        self, phase: "state.ContainerPhase.ValueType" = state.CONTAINER_CREATED, id: str = CONTAINER
    ) -> None:
        """Record a container of the pod, with its bundle and its root file system."""
        record = state.ContainerRecord(id=id, phase=phase, pod_id=POD, boot_id=BOOT)
        record.config.metadata.name = "main"
        self.containers[id] = record
        self.paths.bundle(id).mkdir(parents=True)
        self.mount(self.paths.rootfs(id))

    def mount(self, target: Path, fstype: str = "tmpfs") -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self.mounted[target] = Mount(1, "0:1", "/", target, (), (), fstype, ())

    def place(self) -> Place:
        groups = NoCgroups(self.paths.rootfs)
        return Place(self.config, self.paths, groups, self.mounted, ours.evidence(self.config))

    def records(self, *busy: str) -> Records:
        return Records(self.pods, self.containers, BOOT, frozenset(busy), self.store)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    top = tmp_path.resolve()
    config = Config()
    server = replace(config.server, root=top / "root", run_root=top / "run")
    network = replace(config.network, netns_dir=top / "netns")
    config = replace(config, server=server, network=network)
    return Instance(top, config, Paths(server.root, server.run_root, network.netns_dir))
