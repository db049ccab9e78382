"""Makes the settings that a reload of the configuration replaces, from plain values.

Each function reads the files that the configuration names, and raises ConfigError for a wrong one.
"""

import posixpath
from collections.abc import Sequence
from pathlib import Path

from cri_shim.assembly import node_defaults
from cri_shim.assembly.drivers import environment
from cri_shim.assembly.programs import Programs
from cri_shim.config import Config
from cri_shim.config.schema import Image
from cri_shim.config.user import home, unprivileged_user
from cri_shim.default_mounts import DefaultMounts
from cri_shim.engine import Defaults
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.hooks.directories import Hooks
from cri_shim.isolation import sysctls
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.oci.conmon import LogLimits
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.manifest import host_architecture
from cri_shim.store.pins import Pins
from cri_shim.store.registries import search_registries
from cri_shim.store.settings import ImageSettings
from cri_shim.store.trust.policies import Policies

# The places of mounts.conf in libpod: the machine's own comes before the distribution's.
DEFAULT_MOUNTS = (Path("/etc/containers/mounts.conf"), Path("/usr/share/containers/mounts.conf"))


def defaults(config: Config, programs: Programs) -> Defaults:
    """Make the defaults of pods and containers; blocks."""
    ours = config.containers
    return Defaults(
        seccomp=SeccompProfiles(config.seccomp_profile, architecture=host_architecture()),
        hooks=_hooks(config),
        mounts=_default_mounts(config),
        pause_init=programs.init,
        sysctls=_default_sysctls(config),
        pids_limit=ours.pids_limit,
        creates_sources=ours.missing_mount_source == "create",
        not_created_sources=frozenset(map(posixpath.normpath, ours.not_created_mount_sources)),
        cdi_dirs=ours.cdi_spec_dirs,
        logs=LogLimits(config.max_log_size, ours.max_log_total),
        layer_quota=ours.layer_quota,
        containers=node_defaults.of(config),
        localtime=node_defaults.localtime(config),
        containerenv=ours.containerenv,
        passwd_entry=ours.passwd_entry,
        handlers=node_defaults.of_handlers(config),
    )


def images(
    config: Config, programs: Programs, before: ImageSettings | None = None
) -> ImageSettings:
    """Make the settings of pulls; blocks. `before` are those that they replace."""
    settings = config.image
    registries_conf = Path(settings.registries_conf) if settings.registries_conf else None
    search = search_registries(registries_conf)
    pins = _pins(config, search)
    if before is None:
        fetcher = Fetcher(
            architecture=host_architecture(),
            registries_conf=registries_conf,
            patience=settings.pull_progress_timeout,
            layers_at_once=settings.layers_at_once,
        )
    else:
        pins.share(before.pins)
        fetcher = before.fetcher.changed(
            registries_conf=registries_conf,
            patience=settings.pull_progress_timeout,
            layers_at_once=settings.layers_at_once,
        )
    skopeo = Skopeo(
        programs.skopeo,
        registries_conf=registries_conf,
        architecture=host_architecture(),
        patience=settings.pull_progress_timeout,
    )
    policies, transport = _policies(settings), settings.default_transport
    return ImageSettings(skopeo, fetcher, tuple(search), pins, policies, transport)


def _hooks(config: Config) -> Hooks:
    """Make the hooks; ConfigError for an invalid one, if the configuration makes that fatal."""
    ours = config.origin["hooks_dir"] == "default"  # libpod does not require its own places either
    found = Hooks(
        [Path(directory) for directory in config.hooks_dir],
        must_exist=config.hooks_dir_not_exist_fatal and not ours,
        strict=config.hooks_bad_file_fatal,
        optional=ours,
        env=environment(config),
    )
    found.usable()
    return found


def _default_mounts(config: Config) -> DefaultMounts:
    named = config.default_mounts_file
    if named:
        return DefaultMounts([Path(named)])
    uid = unprivileged_user()
    of_user = [] if uid is None else [home(uid) / ".config/containers/mounts.conf"]
    return DefaultMounts([*of_user, *DEFAULT_MOUNTS])


def _default_sysctls(config: Config) -> dict[str, str]:
    """Return the default sysctls; ConfigError for one that no pod can have."""
    found = dict(setting.split("=", 1) for setting in config.default_sysctls)
    try:
        sysctls.check_defaults(found)
    except InvalidArgument as e:
        raise ConfigError(f"{config.origin['default_sysctls']}: {e}") from e
    return found


def _policies(settings: Image) -> Policies:
    file, namespaces = settings.signature_policy_path, settings.signature_policy_dir
    return Policies(
        Path(file) if file else None,
        Path(namespaces) if namespaces else None,
        home(unprivileged_user() or 0),
    )


def _pins(config: Config, search: Sequence[str]) -> Pins:
    try:
        return Pins(config.image.pinned_images, search)
    except InvalidArgument as e:
        raise ConfigError(f"{config.origin['image.pinned_images']}: {e}") from e
