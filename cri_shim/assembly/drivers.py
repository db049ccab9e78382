"""Makes drivers from plain values; only this module takes a Config apart."""

from pathlib import Path

from cri_shim.assembly.programs import Programs
from cri_shim.audit.journal import Journal
from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.engine import Engine, Paths
from cri_shim.errors import StateError
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.linux import boot
from cri_shim.linux.privacy import make_private
from cri_shim.network.bundled import Bundled
from cri_shim.network.network import Network
from cri_shim.network.user_mode import UserModeNetwork
from cri_shim.objects import ObjectStore
from cri_shim.oci.conmon import Conmon
from cri_shim.oci.runtime import OciRuntime
from cri_shim.state.leveldb import MEMORY, LevelStore
from cri_shim.state.memory import MemoryStore
from cri_shim.state.store import Store
from cri_shim.store.image_store import ImageStore
from cri_shim.store.mounting import fuse
from cri_shim.store.settings import ImageSettings
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.server import StreamingConfig, StreamingServer

# The places of mounts.conf in libpod: the machine's own comes before the distribution's.
DEFAULT_MOUNTS = (Path("/etc/containers/mounts.conf"), Path("/usr/share/containers/mounts.conf"))


def environment(config: Config) -> dict[str, str]:
    """Return the environment of conmon and the OCI runtimes."""
    return dict(setting.split("=", 1) for setting in config.conmon_env_vars)


def records(kind: str, path: Path, run_root: Path) -> Store:
    """Open the state; StateError for "memory" if the disk has records: their layers would go."""
    if kind != "memory":
        return LevelStore(path, copies=(run_root, MEMORY))
    if path.exists():
        raise StateError(
            f"{path} holds the state of pods and images, which one in memory would not know of:"
            ' use state = "leveldb", or another root'
        )
    return MemoryStore()


def image_store(
    config: Config, paths: Paths, own: ImageSettings, store: Store, objects: ObjectStore
) -> ImageStore:
    """Make the image store, which follows other settings than `own` later."""
    settings = config.image
    rootless = unprivileged_user() is not None
    return ImageStore(
        paths.root,
        paths.run_root,
        store,
        boot_id=boot.boot_id(),
        skopeo=own.skopeo,
        fetcher=own.fetcher,
        keep_blobs=settings.keep_blobs,
        layers_as=settings.layer_store,
        held_layers=objects.held_layers,
        userns=rootless,
        mount_program=fuse.needed(paths.root, settings.mount_program) if rootless else "",
        grace=settings.failed_pull_grace,
        pulls_at_once=settings.pulls_at_once,
    )


def network(config: Config, paths: Paths) -> Network | UserModeNetwork:
    """Make the network: CNI's, or for an unprivileged user one with pasta or slirp4netns."""
    if unprivileged_user() is not None:
        return UserModeNetwork(
            paths.run_root / "network",
            config.network.user_mode,
            add_timeout=config.network.add_timeout,
        )
    ours = config.network
    bundled = Bundled(ours.subnet, ours.bridge) if ours.bundled else None
    make_private(paths.root / "cni")  # before a plugin makes it readable for all users
    return Network(
        ours.config_dir,
        ours.plugin_dirs,
        paths.root / "cni",
        default_network=ours.default_network,
        bundled=bundled,
        add_timeout=ours.add_timeout,
        del_timeout=ours.del_timeout,
        unmapped_host_ports=ours.unmapped_host_ports == "allow",
    )


def conmon(
    config: Config, paths: Paths, programs: Programs, cgroups: ControlGroups, oci: OciRuntime
) -> Conmon:
    return Conmon(
        (str(programs.conmon),),
        oci,
        place_monitor=cgroups.join_monitor,
        logs=paths.run_root / "logs",
        env=environment(config),
        no_pivot=config.no_pivot_root,
        systemd_cgroup=cgroups.driver == "systemd",
    )


def streaming(config: Config, engine: Engine, journal: Journal | None) -> StreamingServer:
    """Make the server of exec, attach and port-forward, which does not listen yet."""
    ours = config.streaming
    certificate = None
    if ours.tls_cert_file:
        files = Path(ours.tls_cert_file), Path(ours.tls_key_file)
        certificate = Certificate(*files, ours.tls_min_version)
    streaming = StreamingConfig(
        ours.address,
        ours.port,
        ours.idle_timeout,
        ours.max_sessions,
        ours.max_sessions_per_pod,
        certificate,
    )
    return StreamingServer(engine, streaming, journal)
