"""The shared parts of the verbs of pods/ and containers/: the objects, the drivers, the work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cri_shim.aio.live import Live
from cri_shim.aio.offload import offload
from cri_shim.default_mounts import DefaultMounts
from cri_shim.errors import RuntimeStopped
from cri_shim.hooks.directories import Hooks
from cri_shim.isolation.apparmor import AppArmor
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.isolation.selinux import SELinux
from cri_shim.network.driver import PodNetwork
from cri_shim.node_plugins import NodePlugins
from cri_shim.objects import ObjectStore
from cri_shim.oci.conmon import LogLimits
from cri_shim.oci.driver import OciDriver, Offered
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import namespaces
from cri_shim.spec.host import Host
from cri_shim.spec.node_defaults import NONE_OF_HANDLER, HandlerDefaults, NodeDefaults
from cri_shim.store.image_store import ImageStore
from cri_shim.store.settings import ImageSettings
from cri_shim.timeline import Timelines
from cri_shim.work import Work


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of pods and containers. Files under `run_root` do not survive a boot."""

    root: Path
    run_root: Path
    netns_dir: Path

    def pods(self) -> Path:
        return self.run_root / "pods"

    def containers(self) -> list[Path]:
        """The directories with one directory for each container: its bundle, its writable layer."""
        return [self.run_root / "containers", self.root / "containers"]

    def pod(self, pod_id: str) -> Path:
        return self.pods() / pod_id

    def all_logs(self) -> Path:
        return self.root / "logs"

    def logs(self, pod_id: str) -> Path:
        """The directory of the logs of a pod that has no log directory of its caller's."""
        return self.all_logs() / pod_id

    def etc(self, pod_id: str) -> Path:
        """The directory of the files that the pod's containers see under /etc."""
        own = self.pod(pod_id) / "etc"
        return own if own.exists() else self.pod(pod_id)  # a pod of an earlier version

    def netns(self, pod_id: str) -> Path:
        return self.netns_dir / f"cri-shim-{pod_id}"

    def pin(self, pod_id: str, kind: str) -> Path:
        """The path at which the user, ipc, uts or pid namespace of a pod is pinned."""
        return self.pod(pod_id) / "ns" / kind

    def pins(self, pod: state.PodRecord) -> dict[str, Path]:
        """The path at which each namespace of the pod's own is pinned."""
        kinds = namespaces.of_pod(pod.config)
        return {k: self.netns(pod.id) if k == "net" else self.pin(pod.id, k) for k in kinds}

    def bundle(self, container_id: str) -> Path:
        return self.run_root / "containers" / container_id

    def rootfs(self, container_id: str) -> Path:
        return self.bundle(container_id) / "rootfs"

    def volumes(self, container_id: str) -> Path:
        """The directory of mounted images that are the container's volumes, by their number."""
        return self.bundle(container_id) / "volumes"

    def default_mounts(self, container_id: str) -> Path:
        """The directory of the container's copies of the files that mounts.conf names."""
        return self.bundle(container_id) / "default-mounts"

    def sources(self, container_id: str) -> Path:
        """The directory of its bind mounts' sources while it is created; see sources.py."""
        return self.bundle(container_id) / "sources"


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles that confine processes on this node."""

    apparmor: AppArmor
    selinux: SELinux


@dataclass(frozen=True, slots=True)
class Defaults:
    """The settings that every pod and container of this node gets."""

    seccomp: SeccompProfiles
    hooks: Hooks
    mounts: DefaultMounts
    pause_init: str  # the static program that keeps a shared pid namespace
    sysctls: Mapping[str, str]  # of every pod that has its own namespace for them
    pids_limit: int  # of every container; 0 means none
    creates_sources: bool  # make the directory of a mount whose source does not exist
    not_created_sources: frozenset[str]  # paths of which none is made
    containers: NodeDefaults
    localtime: str  # the file that is /etc/localtime of every pod; "" for none
    containerenv: bool  # every container has an empty /run/.containerenv
    passwd_entry: bool  # an unknown user gets a line in the container's /etc/passwd
    cdi_dirs: tuple[Path, ...]  # with device specifications; a later directory wins
    handlers: Mapping[str, HandlerDefaults]  # by name
    logs: LogLimits  # of every new container
    layer_quota: int  # bytes of a new writable layer; 0 means no limit

    def of_handler(self, name: str) -> HandlerDefaults:
        """Return the settings of a runtime handler; it may be one of an earlier configuration."""
        return self.handlers.get(name, NONE_OF_HANDLER)


@dataclass(frozen=True, slots=True)
class Settings:
    """The parts that a reload of the configuration replaces, all at once."""

    defaults: Defaults
    offered: Offered
    images: ImageSettings


@dataclass(slots=True)
class Engine:
    """The first argument, `engine`, of every verb."""

    objects: ObjectStore
    images: ImageStore
    network: PodNetwork
    oci: OciDriver
    cgroups: ControlGroups
    host: Host
    paths: Paths
    boot_id: str
    profiles: Profiles
    live: Live[Settings]
    timelines: Timelines
    work: Work = field(default_factory=Work)
    plugins: NodePlugins = field(default_factory=NodePlugins)

    @property
    def defaults(self) -> Defaults:
        """The defaults of this call, or of now; see aio.live."""
        return self.live.get().defaults

    def alive(self) -> "Engine":
        """Return this engine while its runtime is open; after that, raise RuntimeStopped."""
        if self.objects.closed:
            raise RuntimeStopped("the runtime was shut down; open another one")
        return self

    def warm_up(self) -> None:
        """Warm up the kernel's moves between cgroups in the background, while other work runs.

        See Cgroups.warm_up: a container will be created soon, and the first move after a pause
        waits 7-9 ms.
        """
        self.work.spawn("prime cgroups", offload(self.cgroups.warm_up))

    def retries(self) -> dict[str, str]:
        """Return all work that is retried in the background, with its last error."""
        return {**self.work.retrier.pending(), **self.objects.unsaved()}
