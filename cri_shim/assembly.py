"""Builds the drivers from the configuration and hands each plain values; nobody passes Config on.

The order is what recovery needs: locks and state first, then the slow probes beside each other.
"""

import asyncio
import hashlib
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from cri_shim import recovery
from cri_shim.aio import reaper
from cri_shim.aio.closing import Closing
from cri_shim.config import Config, Server
from cri_shim.config.user import home, ordinary_user
from cri_shim.default_mounts import DefaultMounts
from cri_shim.engine import Engine, Paths
from cri_shim.errors import ConfigError, CriShimError, StateError, ToolFailed
from cri_shim.hooks.directories import Hooks
from cri_shim.images import Images
from cri_shim.isolation import delegated, userns
from cri_shim.isolation.apparmor import AppArmor
from cri_shim.isolation.cgroup_names import PREFIX, Driver
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.isolation.selinux import SELinux
from cri_shim.isolation.ungrouped import Ungrouped
from cri_shim.linux import boot, process
from cri_shim.network.network import Network
from cri_shim.network.user_mode import UserModeNetwork
from cri_shim.oci import handlers
from cri_shim.oci.conmon import Conmon
from cri_shim.oci.exits import Exits
from cri_shim.oci.handlers import Handler, executable
from cri_shim.oci.runtime import OciRuntime
from cri_shim.registry import Registry
from cri_shim.spec.host import Host
from cri_shim.spec.userns import UserNamespace
from cri_shim.state.leveldb import LevelStore
from cri_shim.state.memory import MemoryStore
from cri_shim.state.store import Store
from cri_shim.store import fuse
from cri_shim.store.image_store import ImageStore
from cri_shim.store.manifest import host_architecture
from cri_shim.store.registries import search_registries
from cri_shim.store.skopeo import Skopeo
from cri_shim.streaming.certificate import Certificate
from cri_shim.streaming.server import StreamingServer, Where

# mounts.conf as libpod looked for it: the machine's own before the distribution's.
DEFAULT_MOUNTS = (Path("/etc/containers/mounts.conf"), Path("/usr/share/containers/mounts.conf"))

_ONE_SPACE = "an ordinary user's pods are all in the user namespace that it has already"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs without which nothing can run."""

    conmon: Path
    skopeo: Path
    init: str  # "" where there is none: then pods cannot share a pid namespace


def find_programs(config: Config) -> Programs:
    """Find each on its path list; ToolFailed names the paths that were tried."""
    return Programs(
        conmon=executable("conmon", config.conmon_path),
        skopeo=executable("skopeo", config.image.skopeo_path),
        init=_init(config.init_path),
    )


def _init(candidates: tuple[str, ...]) -> str:
    try:
        return str(executable("catatonit", candidates))
    except ToolFailed as e:
        _log.warning("%s: pods cannot share a pid namespace", e)
        return ""


async def open_engine(config: Config, programs: Programs, closing: Closing) -> Engine:
    """Open everything below directories that are ours; `closing` closes what has been opened."""
    user = ordinary_user()
    hooks = _hooks(config)
    # Resolved: runc takes no symlink in the path of a root file system, and /var/run is often one.
    places = (config.server.root, config.server.run_root, config.network.netns_dir)
    paths = Paths(*(place.resolve() for place in places))
    reaper.start()
    closing.add("the reaper", _stop_reaping)
    process.become_subreaper()
    cgroups = _cgroups(config, paths)
    closing.add("cgroups", cgroups.prune)
    probing = asyncio.create_task(_probe(config, paths, cgroups))
    try:
        store = _records(config.state, paths.root / "state")
        closing.add("the state", store.close)
        registry = Registry(store, config.namespace)
        closing.add("the registry", registry.close)
        registry.load()
        mounting = "" if user is None else fuse.needed(paths.root, config.image.mount_program)
        images = Images(_image_store(config, paths, programs, store, registry, mounting), store)
        closing.add("the image store", images.close)
        await images.recover()
        network = _network(config, paths) if user is None else _user_mode(config, paths)
        closing.add("the network", network.stop)
        await network.start()
    finally:
        found = await probing
    systemd = cgroups.driver == "systemd"
    environment = _environment(config)
    oci = OciRuntime(exec_dir=paths.run_root / "exec", systemd_cgroup=systemd, env=environment)
    await oci.end_leftovers()
    exits = Exits()
    closing.add("the watch of exits", exits.close)
    engine = Engine(
        registry=registry,
        images=images,
        network=network,
        conmon=Conmon(
            (str(programs.conmon),),
            oci,
            place_monitor=cgroups.join_monitor,
            env=environment,
            log_size_max=config.max_log_size,
            no_pivot=config.no_pivot_root,
            systemd_cgroup=systemd,
        ),
        oci=oci,
        exits=exits,
        cgroups=cgroups,
        handlers={handler.name: handler for handler in found},
        default_handler=_default(config, found),
        host=_host(cgroups),
        paths=paths,
        boot_id=boot.boot_id(),
        seccomp=_seccomp(config),
        apparmor=AppArmor(
            paths.run_root / "apparmor", env=environment, ordinary_user=user is not None
        ),
        selinux=SELinux(),
        hooks=hooks,
        default_mounts=_default_mounts(config),
        pause_init=programs.init,
        default_sysctls=dict(setting.split("=", 1) for setting in config.default_sysctls),
        pids_limit=config.containers.pids_limit,
        cdi_dirs=config.containers.cdi_spec_dirs,
    )
    watching = asyncio.create_task(recovery.watch(engine), name="exits")
    closing.add("the watch of exits", lambda: _cancel(watching))
    closing.add("work in hand", lambda: engine.drain(config.server.shutdown_grace))
    return engine


def _seccomp(config: Config) -> SeccompProfiles:
    profiles = SeccompProfiles(config.seccomp_profile, architecture=host_architecture())
    if problem := profiles.problem():
        _log.warning("%s: containers that ask for RuntimeDefault are refused", problem)
    return profiles


def _hooks(config: Config) -> Hooks:
    """ConfigError at once for a hook that is wrong, where that is to be fatal."""
    ours = config.origin["hooks_dir"] == "default"  # libpod did not miss its own places either
    hooks = Hooks(
        [Path(directory) for directory in config.hooks_dir],
        must_exist=config.hooks_dir_not_exist_fatal and not ours,
        strict=config.hooks_bad_file_fatal,
        optional=ours,
        env=_environment(config),
    )
    hooks.usable()
    return hooks


def _default_mounts(config: Config) -> DefaultMounts:
    named = config.default_mounts_file
    if named:
        return DefaultMounts([Path(named)])
    uid = ordinary_user()
    of_user = [] if uid is None else [home(uid) / ".config/containers/mounts.conf"]
    return DefaultMounts([*of_user, *DEFAULT_MOUNTS])


def streaming(config: Config, on: Engine) -> StreamingServer:
    """The server of exec, attach and port-forward, not listening yet."""
    ours = config.streaming
    certificate = None
    if ours.tls_cert_file or ours.tls_key_file:
        if not (ours.tls_cert_file and ours.tls_key_file):
            raise ConfigError("streaming.tls_cert_file and streaming.tls_key_file go together")
        certificate = Certificate(Path(ours.tls_cert_file), Path(ours.tls_key_file))
    return StreamingServer(on, Where(ours.address, ours.port, ours.idle_timeout, certificate))


def mark_alive(run_root: Path, boot_id: str) -> None:
    """Leave the mark that this boot's state has been refreshed: the last step of a start."""
    (run_root / "alive").write_text(boot_id + "\n")


def _records(kind: str, path: Path) -> Store:
    """StateError where memory is asked for and the disk has records: their layers would go."""
    if kind != "memory":
        return LevelStore(path)
    if path.exists():
        raise StateError(
            f"{path} holds the state of pods and images, which one in memory would not know of:"
            ' use state = "leveldb", or another root'
        )
    return MemoryStore()


def _image_store(
    config: Config,
    paths: Paths,
    programs: Programs,
    records: Store,
    registry: Registry,
    mount_program: str,
) -> ImageStore:
    settings = config.image
    registries_conf = Path(settings.registries_conf) if settings.registries_conf else None
    policy = settings.signature_policy_path
    return ImageStore(
        paths.root,
        paths.run_root,
        records,
        boot_id=boot.boot_id(),
        skopeo=Skopeo(
            str(programs.skopeo),
            policy=Path(policy) if policy else None,
            registries_conf=registries_conf,
            architecture=host_architecture(),
            patience=settings.pull_progress_timeout,
        ),
        keep_blobs=settings.keep_blobs,
        transport=settings.default_transport,
        search=search_registries(registries_conf),
        held_layers=registry.held_layers,
        userns=ordinary_user() is not None,
        mount_program=mount_program,
    )


def _network(config: Config, paths: Paths) -> Network:
    return Network(
        config.network.config_dir,
        config.network.plugin_dirs,
        paths.root / "cni",
        default_network=config.network.default_network,
        bundled=config.network.bundled,
        bundled_subnet=config.network.subnet,
        bundled_bridge=config.network.bridge,
        add_timeout=config.network.add_timeout,
        del_timeout=config.network.del_timeout,
    )


def _user_mode(config: Config, paths: Paths) -> UserModeNetwork:
    return UserModeNetwork(
        paths.run_root / "network", config.network.user_mode, add_timeout=config.network.add_timeout
    )


def _stop_reaping() -> None:
    """Orphans are init's again, once no runtime of this process would bury them."""
    reaper.stop()
    if not reaper.active():
        process.become_subreaper(False)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _cgroups(config: Config, paths: Paths) -> Cgroups:
    if ordinary_user() is not None:
        if config.cgroup_manager == "systemd":
            _log.warning("cgroup_manager: for an ordinary user it is cgroupfs, below its own group")
        return delegated.found() or Ungrouped(paths.rootfs)
    return Cgroups(_cgroup_driver(config.cgroup_manager), name=_cgroup_name(paths.run_root))


def _cgroup_driver(configured: str) -> Driver:
    if configured == "auto":
        return "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs"
    return "systemd" if configured == "systemd" else "cgroupfs"


def _cgroup_name(run_root: Path) -> str:
    """The parent of our cgroups: a second instance on a machine has one of its own."""
    if run_root == Server().run_root:
        return PREFIX
    return f"{PREFIX}-{hashlib.sha256(bytes(run_root)).hexdigest()[:8]}"


async def _probe(config: Config, paths: Paths, cgroups: Cgroups) -> list[Handler]:
    """Try every configured handler, all at the same time, with and without a user namespace."""
    async with AsyncExitStack() as cleanup:
        space: UserNamespace | str
        try:
            if ordinary_user() is not None:
                raise ToolFailed(_ONE_SPACE)
            trial = userns.trial(paths.run_root / "userns", paths.root)
            space = await cleanup.enter_async_context(trial)
        except (CriShimError, OSError) as e:
            space = str(e)
        probes = (
            handlers.probe(
                name,
                table.path,
                run_root=paths.run_root,
                boot_id=boot.boot_id(),
                env=_environment(config),
                systemd_cgroup=cgroups.driver == "systemd",
                userns=space,
                groups=cgroups.top if cgroups.usable else None,
            )
            for name, table in config.runtimes.items()
        )
        return await asyncio.gather(*probes)


def _environment(config: Config) -> dict[str, str]:
    """Of conmon and the OCI runtimes."""
    return dict(setting.split("=", 1) for setting in config.conmon_env_vars)


def _default(config: Config, found: list[Handler]) -> str:
    """The configured handler, else the first that works; else the first, whose problem is told."""
    if config.default_runtime:
        return config.default_runtime
    for handler in found:
        if not handler.problem:
            return handler.name
    return found[0].name if found else ""


def _host(cgroups: Cgroups) -> Host:
    bounding = process.own_bounding_caps()
    rootless = ordinary_user() is not None
    # Whoever is root of a user namespace only has the capability in there: not for this.
    can_raise = "CAP_SYS_RESOURCE" in process.own_effective_caps() and not rootless
    if rootless:
        _log.info("running for user %s: %s", ordinary_user(), cgroups.problem or "limits work")
    elif not can_raise:
        _log.warning("no CAP_SYS_RESOURCE: oom_score_adj of containers is not set below our own")
    swap = Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
    return Host(
        cgroup_v2=cgroups.version() == 2,
        bounding=bounding,
        can_raise=can_raise,
        oom_score_adj=process.own_oom_score_adj(),
        swap_accounting=cgroups.version() == 2 or swap.exists(),
        hugepage_sizes=_hugepage_sizes() if "hugetlb" in cgroups.controllers() else frozenset(),
        rootless=rootless,
        limits=cgroups.usable,
        lacking=cgroups.lacking(),
    )


def _hugepage_sizes() -> frozenset[str]:
    """Sizes as the hugetlb controller spells them: 2MB, 1GB."""
    found: set[str] = set()
    for entry in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        size = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
        mega, giga = size >> 10, size >> 20
        found.add(f"{giga}GB" if giga else f"{mega}MB" if mega else f"{size}KB")
    return frozenset(found)
