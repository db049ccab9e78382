"""Every configuration key: its type, default, meaning and check, and when a change takes effect.

Keys at the top level of a file have libpod's names; the other keys are in tables. A field's key is
`table.field`, or its `name`: network.config_dir is libpod's `cni_config_dir`.

A reload (SIGHUP, `cri-shim reload`) lets a key take effect as its `when` says: see `When`.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cri_shim import verbs
from cri_shim.config import checks, devices, ulimits
from cri_shim.config.keys import Key, When, key, keys_of
from cri_shim.log.levels import FORMATS, LEVELS

_CRUN = ("/usr/bin/crun", "/usr/local/bin/crun")
_RUNC = (  # libpod's own list
    "/usr/bin/runc",
    "/usr/sbin/runc",
    "/sbin/runc",
    "/bin/runc",
    "/usr/lib/cri-o-runc/sbin/runc",
)
_CONMON = (
    "/usr/libexec/podman/conmon",
    "/usr/libexec/crio/conmon",
    "/usr/local/libexec/crio/conmon",
    "/usr/bin/conmon",
    "/usr/sbin/conmon",
    "/usr/lib/crio/bin/conmon",
)
MAX_SESSIONS = 100_000  # each session needs descriptors and memory
_CAPABILITIES = (  # containerd's and Docker's own list
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    socket: Path = key(
        Path("/run/cri-shim/cri-shim.sock"),
        "unix socket of the CRI; follows run_root where that is set",
        check=checks.socket,
    )
    root: Path = key(Path("/var/lib/cri-shim"), "what must survive a reboot", check=checks.root)
    run_root: Path = key(Path("/run/cri-shim"), "what is deleted at reboot", check=checks.run_root)
    log_level: str = key(
        "info", "debug, info, warning or error", check=checks.one_of(*LEVELS), when=When.LIVE
    )
    log_format: str = key(
        "text",
        "text or json; the journal gets fields with text",
        check=checks.one_of(*FORMATS),
    )
    shutdown_grace: float = key(
        10.0, "seconds that running work is given when the daemon stops", check=checks.not_negative
    )


@dataclasses.dataclass(frozen=True, slots=True)
class RuntimeTable:
    """[runtimes.NAME]: a runtime handler. libpod's form, NAME = [paths], is accepted, too."""

    path: tuple[str, ...] = key(
        (),
        "where to look for the OCI runtime; the first that works",
        check=checks.candidates,
        lone=True,
        when=When.LIVE,
    )
    allowed_annotations: tuple[str, ...] = key(
        (),
        "annotations of a pod that its containers' documents get, too: names, * is any text",
        check=checks.filled,
        when=When.LIVE,
    )
    default_annotations: tuple[str, ...] = key(
        (),
        "NAME=VALUE, annotations of each container's document",
        check=checks.assignments,
        when=When.LIVE,
    )
    seccomp_profile: str = key(
        "",
        "file in place of the node's profile for seccomp RuntimeDefault; empty: the node's",
        check=checks.absolute_or_empty,
        when=When.LIVE,
    )
    container_min_memory: int = key(
        0,
        "bytes: a lower limit of memory is refused; 0: none is",
        check=checks.between(0, (1 << 63) - 1),
        when=When.LIVE,
    )
    privileged_without_host_devices: bool = key(
        False, "privileged containers do not get the node's devices", when=When.LIVE
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    config_dir: Path = key(
        Path("/etc/cni/net.d"),
        "CNI network configurations",
        name="cni_config_dir",
        check=checks.absolute,
    )
    plugin_dirs: tuple[Path, ...] = key(
        (Path("/usr/libexec/cni"), Path("/usr/lib/cni"), Path("/opt/cni/bin")),
        "where CNI plugins are looked for",
        name="cni_plugin_dir",
        check=checks.all_absolute,
        lone=True,
    )
    default_network: str = key(
        "",
        "CNI network that pods join; empty: the first by file name",
        name="cni_default_network",
        check=checks.network,
    )
    netns_dir: Path = key(
        Path("/run/netns"), "where network namespaces are pinned", check=checks.root
    )
    bundled: bool = key(True, "use the bundled bridge network while cni_config_dir holds none")
    bridge: str = key(
        "cri-shim0",
        "bridge of the bundled network; made from server.root where that is not the default",
        check=checks.interface,
    )
    subnet: str = key(
        "10.87.0.0/16",
        "subnet of the bundled network, or IPV4,IPV6; made as the bridge's name is",
        check=checks.subnet,
    )
    user_mode: str = key(
        "auto",
        "network of rootless pods: pasta, slirp4netns, none, or auto: what is installed",
        check=checks.one_of("auto", "pasta", "slirp4netns", "none"),
    )
    add_timeout: float = key(
        300.0,
        "seconds a CNI ADD may take; more than the 4 minutes of the kubelet, which asks again then",
        check=checks.positive,
        when=When.LIVE,
    )
    del_timeout: float = key(
        60.0, "seconds a CNI DEL may take", check=checks.positive, when=When.LIVE
    )
    unmapped_host_ports: str = key(
        "refuse",
        "host ports of pods while no plugin has portMappings: refuse, or allow if others map them",
        check=checks.one_of("refuse", "allow"),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    default_transport: str = key(
        "docker://",
        "transport of image names without one",
        name="image_default_transport",
        check=checks.transport,
        when=When.LIVE,
    )
    signature_policy_path: str = key(
        "",
        "policy.json; empty: the one of containers-policy.json(5)",
        name="signature_policy_path",
        check=checks.absolute_or_empty,
        when=When.LIVE,
    )
    signature_policy_dir: str = key(
        "",
        "directory of NAMESPACE.json, the policy.json for pods of that namespace; empty: none",
        check=checks.absolute_or_empty,
        when=When.LIVE,
    )
    registries_conf: str = key(
        "", "registries.conf; empty: the system's", check=checks.absolute_or_empty, when=When.LIVE
    )
    skopeo_path: tuple[str, ...] = key(
        ("/usr/bin/skopeo", "/usr/local/bin/skopeo"),
        "where skopeo is looked for",
        check=checks.candidates,
        lone=True,
    )
    pinned_images: tuple[str, ...] = key(
        (),
        "images that are kept from garbage collection and prune: names, or text with * for any",
        check=checks.filled,
        when=When.LIVE,
    )
    preload_dir: str = key(
        "",
        "directory of archives and layouts whose images are loaded, and pinned, at the start",
        check=checks.absolute_or_empty,
    )
    keep_blobs: bool = key(True, "keep compressed layers after unpacking; false halves the disk")
    layer_store: str = key(
        "auto",
        "what new layers become: erofs (one file each), directories, or auto: erofs if it works",
        check=checks.one_of("auto", "erofs", "directories"),
    )
    mount_program: str = key(
        "",
        "what mounts rootless root file systems; empty: the kernel, else fuse-overlayfs",
        check=checks.absolute_or_empty,
    )
    pull_progress_timeout: float = key(
        300.0,
        "seconds without a byte until a pull is given up; 0: never",
        check=checks.not_negative,
        when=When.LIVE,
    )
    layers_at_once: int = key(
        3,
        "layers that one pull downloads at the same time",
        check=checks.between(1, 64),
        when=When.LIVE,
    )
    pulls_at_once: int = key(
        0,
        "pulls from one registry at once; 0: as many as the kubelet asks for",
        check=checks.between(0, 1000),
    )
    failed_pull_grace: float = key(
        600.0,
        "seconds that layers of a failed pull are kept: the kubelet pauses up to 300",
        check=checks.not_negative,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Containers:
    pids_limit: int = key(
        0,
        "processes and threads a container may have; 0: as many as its pod",
        check=checks.between(0, 1 << 22),  # the kernel's own limit
        when=When.LIVE,
    )
    missing_mount_source: str = key(
        "refuse",
        "a mount whose host_path does not exist: refuse, or create the directory as others do",
        check=checks.one_of("refuse", "create"),
        when=When.LIVE,
    )
    not_created_mount_sources: tuple[str, ...] = key(
        (),
        "paths that are refused also with create",
        check=checks.all_absolute_texts,
        when=When.LIVE,
    )
    default_ulimits: tuple[str, ...] = key(
        (),
        "NAME=SOFT:HARD, limits of each process such as nofile=1024:2048; -1: unlimited",
        check=ulimits.check,
        when=When.LIVE,
    )
    default_env: tuple[str, ...] = key(
        (),
        "NAME=VALUE, the environment of containers whose image and request have no such name",
        check=checks.assignments,
        when=When.LIVE,
    )
    default_capabilities: tuple[str, ...] = key(
        _CAPABILITIES,
        "capabilities of a container before what its request adds and drops; empty: none",
        check=checks.filled,
        when=When.LIVE,
    )
    add_inheritable_capabilities: bool = key(
        False,
        "capabilities are inheritable, too: any user gains them by a file that has them",
        when=When.LIVE,
    )
    additional_devices: tuple[str, ...] = key(
        (),
        "HOST, HOST:CONTAINER or HOST:CONTAINER:ACCESS, devices of every container",
        check=devices.check,
        when=When.LIVE,
    )
    allowed_devices: tuple[str, ...] = key(
        (),
        "devices that a pod may have by an annotation; its handler must allow the annotation, too",
        check=checks.all_absolute_texts,
        when=When.LIVE,
    )
    timezone: str = key(
        "",
        "/etc/localtime of every pod: Local, which is the node's, or a name such as Europe/Berlin",
        check=checks.timezone,
        when=When.NEXT_POD,
    )
    passwd_entry: bool = key(
        False,
        "a user who has no line in /etc/passwd of the image gets one in its container",
        when=When.LIVE,
    )
    containerenv: bool = key(
        False,
        "every container has an empty /run/.containerenv, by which programs know that",
        when=When.NEXT_POD,
    )
    max_log_total: int = key(
        -1,
        "bytes that a container may log in its life, the rest is discarded; -1: no limit",
        check=checks.between(-1, (1 << 63) - 1),
        when=When.LIVE,
    )
    layer_quota: int = key(
        0,
        "bytes of a new container's writable layer, by project quotas of xfs or ext4; 0: no limit",
        check=checks.between(0, (1 << 63) - 1),
        when=When.LIVE,
    )
    cdi_spec_dirs: tuple[Path, ...] = key(
        (Path("/etc/cdi"), Path("/var/run/cdi")),
        "CDI device specifications; a device in a later directory replaces an earlier one",
        check=checks.all_absolute,
        when=When.LIVE,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Streaming:
    address: str = key(
        "127.0.0.1", "where exec, attach and port-forward are served", check=checks.ip_address
    )
    port: int = key(0, "0: any free port", check=checks.port)
    idle_timeout: float = key(
        4 * 3600.0,
        "seconds without traffic until a session ends",
        check=checks.positive,
        when=When.LIVE,
    )
    max_sessions: int = key(
        1000,
        "sessions on this node at once, with those asked for",
        check=checks.between(1, MAX_SESSIONS),
        when=When.LIVE,
    )
    max_sessions_per_pod: int = key(
        100, "and of one pod", check=checks.between(1, MAX_SESSIONS), when=When.LIVE
    )
    tls_cert_file: str = key("", "serve TLS with this certificate", check=checks.absolute_or_empty)
    tls_key_file: str = key("", "and this key", check=checks.absolute_or_empty)
    tls_min_version: str = key(
        "1.2",
        "oldest TLS version of clients: 1.2 or 1.3",
        check=checks.one_of("1.2", "1.3"),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    file: str = key(
        "",
        "file of the audit record, see docs/operate.md; empty: none",
        check=checks.absolute_or_empty,
    )
    max_size: int = key(
        100 << 20,
        "size in bytes at which the file is renamed to FILE.1, and so on",
        check=checks.between(64 << 10, 1 << 40),
    )
    max_files: int = key(5, "files that are kept", check=checks.between(2, 1000))
    on_failure: str = key(
        "continue",
        "changes while the record cannot be written: continue, or refuse them",
        check=checks.one_of("continue", "refuse"),
    )
    exec_sync: bool = key(True, "also record ExecSync, with which the kubelet probes containers")


@dataclasses.dataclass(frozen=True, slots=True)
class SocketTable:
    """[[sockets]]: a further socket of the daemon, for peers that may not do everything."""

    path: Path = key(Path(), "unix socket", check=checks.socket)
    role: str = key(
        "read-only",
        f"what its peers may call: {', '.join(verbs.ROLES)}; none: only `verbs`",
        check=checks.one_of(*verbs.ROLES),
    )
    verbs: tuple[str, ...] = key((), "further calls, such as StopContainer", check=checks.rpcs)
    uids: tuple[int, ...] = key(
        (), "users that may use it; empty, as gids: all that its mode lets in", check=checks.ids
    )
    gids: tuple[int, ...] = key((), "groups that may use it", check=checks.ids)
    mode: str = key("0660", "mode of the socket's file", check=checks.mode)
    owner: str = key("", "user of the file: a name or an id; empty: the daemon's")
    group: str = key("", "group of the file: a name or an id; empty: the daemon's")


@dataclasses.dataclass(frozen=True, slots=True)
class Metrics:
    address: str = key(
        "",
        "where Prometheus reads /metrics: unix:///PATH, or ADDRESS:PORT; empty: off",
        check=checks.listen_address,
    )
    tls_cert_file: str = key("", "serve TLS with this certificate", check=checks.absolute_or_empty)
    tls_key_file: str = key("", "and this key", check=checks.absolute_or_empty)
    tls_client_ca_file: str = key(
        "",
        "clients need a certificate of these authorities; empty: they need none",
        check=checks.absolute_or_empty,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Tracing:
    endpoint: str = key(
        "",
        "HOST:PORT to which traces are sent by OTLP over gRPC; empty: off",
        check=checks.host_and_port,
    )
    sampling_rate_per_million: int = key(
        0,
        "traces kept of a million that no client has begun; the kubelet decides for its own",
        check=checks.between(0, 1_000_000),
    )
    tls_ca_file: str = key(
        "",
        "certificates of the authorities of the endpoint; empty: no TLS",
        check=checks.absolute_or_empty,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class NRI:
    """[nri]: plugins of the node that are told, and change, pods and containers."""

    enabled: bool = key(False, "let plugins of the Node Resource Interface (NRI) take part")
    socket: Path = key(Path("/var/run/nri/nri.sock"), "where plugins connect", check=checks.socket)
    disable_connections: bool = key(
        False, "do not let plugins connect: only installed ones take part"
    )
    plugin_directory: Path = key(
        Path("/opt/nri/plugins"),
        "programs of plugins that are started with the daemon: INDEX-NAME",
        check=checks.absolute,
    )
    plugin_config_directory: Path = key(
        Path("/etc/nri/conf.d"),
        "their configurations: INDEX-NAME.conf or NAME.conf",
        check=checks.absolute,
    )
    registration_timeout: float = key(
        5.0,
        "seconds for a plugin to register, and to take in the existing pods and containers",
        check=checks.positive,
    )
    request_timeout: float = key(
        2.0, "seconds for a plugin to answer a request", check=checks.positive
    )
    default_validator: bool = key(False, "apply the keys below, and required plugins of pods")
    reject_hooks: bool = key(False, "refuse containers for which a plugin adds hooks")
    reject_runtime_default_seccomp: bool = key(
        False, "refuse those in which a plugin replaces the filter RuntimeDefault"
    )
    reject_unconfined_seccomp: bool = key(False, "or adds a filter where there is none")
    reject_custom_seccomp: bool = key(False, "or replaces a filter of a file")
    reject_namespaces: bool = key(False, "refuse those of which a plugin changes namespaces")
    reject_sysctls: bool = key(False, "refuse those of which a plugin changes kernel parameters")
    required_plugins: tuple[str, ...] = key(
        (),
        "plugins without which no container is created: NAME or INDEX-NAME",
        check=checks.filled,
    )
    tolerate_missing_annotation: str = key(
        "", "annotation of pods that run without required plugins if it is true"
    )


_HANDLERS = MappingProxyType({"crun": RuntimeTable(_CRUN), "runc": RuntimeTable(_RUNC)})


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration. `origin[key]` is the origin of each value."""

    runtime_path: tuple[str, ...] = key(
        _CRUN + _RUNC,
        "OCI runtimes in order of preference",
        check=checks.candidates,
        lone=True,
        when=When.LIVE,
    )
    default_runtime: str = key(
        "",
        "default handler; empty: the first of runtime_path that works",
        name="runtime",
        when=When.LIVE,
    )
    conmon_path: tuple[str, ...] = key(
        _CONMON, "where conmon is looked for", check=checks.candidates, lone=True
    )
    conmon_env_vars: tuple[str, ...] = key(
        (_PATH,), "environment of conmon and the OCI runtime", check=checks.assignments
    )
    init_path: tuple[str, ...] = key(
        ("/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/libexec/catatonit/catatonit"),
        "static init of pods that share a pid namespace",
        check=checks.candidates,
        lone=True,
        when=When.NEXT_POD,
    )
    seccomp_profile: tuple[str, ...] = key(
        (),
        "files in place of the built-in profile for seccomp RuntimeDefault: the first that exists",
        check=checks.all_absolute_texts,
        lone=True,
        when=When.LIVE,
    )
    cgroup_manager: str = key(
        "auto",
        "cgroupfs, systemd, or auto: systemd where it runs the machine",
        check=checks.one_of("auto", "cgroupfs", "systemd"),
    )
    static_dir: str = key(
        "",
        "libpod's place for state; gives server.root = static_dir/cri-shim",
        check=checks.absolute_or_empty,
    )
    tmp_dir: str = key(
        "",
        "libpod's place for run state; gives server.run_root = tmp_dir/cri-shim",
        check=checks.absolute_or_empty,
    )
    max_log_size: int = key(
        -1,
        "maximum size of a container log in bytes; -1: no limit",
        check=checks.between(-(1 << 63), (1 << 63) - 1),
        when=When.LIVE,
    )
    no_pivot_root: bool = key(False, "do not use pivot_root: for hosts that run from a ramdisk")
    hooks_dir: tuple[str, ...] = key(
        ("/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"),
        "OCI hook definitions, oci-hooks(5); a file in a later one replaces those of its name",
        check=checks.all_absolute_texts,
        lone=True,
        when=When.LIVE,
    )
    hooks_dir_not_exist_fatal: bool = key(
        False, "a hooks_dir that does not exist is an error", when=When.LIVE
    )
    hooks_bad_file_fatal: bool = key(
        False,
        "a hook file that cannot be used is an error; else it is logged and passed over",
        when=When.LIVE,
    )
    default_mounts_file: str = key(
        "",
        "mounts.conf; empty: the one in /etc/containers, else in /usr/share/containers",
        check=checks.absolute_or_empty,
        when=When.LIVE,
    )
    state: str = key(
        "leveldb",
        "where records are: leveldb, or memory, which forgets them with the process",
        check=checks.one_of("leveldb", "memory"),
    )
    namespace: str = key("", "objects of other state namespaces are not seen")
    default_sysctls: tuple[str, ...] = key(
        (), "NAME=VALUE for every pod", check=checks.assignments, when=When.NEXT_POD
    )
    server: Server = dataclasses.field(default_factory=Server)
    network: Network = dataclasses.field(default_factory=Network)
    image: Image = dataclasses.field(default_factory=Image)
    containers: Containers = dataclasses.field(default_factory=Containers)
    streaming: Streaming = dataclasses.field(default_factory=Streaming)
    audit: Audit = dataclasses.field(default_factory=Audit)
    sockets: tuple[SocketTable, ...] = ()
    metrics: Metrics = dataclasses.field(default_factory=Metrics)
    tracing: Tracing = dataclasses.field(default_factory=Tracing)
    nri: NRI = dataclasses.field(default_factory=NRI)
    runtimes: Mapping[str, RuntimeTable] = dataclasses.field(default_factory=lambda: _HANDLERS)
    origin: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


TABLES: Mapping[str, type] = {
    "server": Server,
    "network": Network,
    "image": Image,
    "containers": Containers,
    "streaming": Streaming,
    "audit": Audit,
    "metrics": Metrics,
    "tracing": Tracing,
    "nri": NRI,
}
KEYS: Mapping[str, Key] = {
    k.name: k
    for k in keys_of(Config, "") + [k for t, owner in TABLES.items() for k in keys_of(owner, t)]
}
HANDLER_KEYS: Mapping[str, Key] = {k.field: k for k in keys_of(RuntimeTable, "runtimes.NAME")}
SOCKET_KEYS: Mapping[str, Key] = {k.field: k for k in keys_of(SocketTable, "sockets")}


def handler_values(runtimes: Mapping[str, RuntimeTable]) -> dict[str, Any]:
    """Return the value of every key of [runtimes.NAME], by its name in a file."""
    return {
        f"runtimes.{name}.{field}": getattr(table, field)
        for name, table in runtimes.items()
        for field in HANDLER_KEYS
    }


def current(config: Config, entry: Key) -> Any:
    """Return the value of a key in a configuration."""
    return getattr(getattr(config, entry.table) if entry.table else config, entry.field)


def deep_copy(config: Config) -> Config:
    """Copy a configuration. copy.deepcopy cannot copy its read-only mappings."""
    copied: Config = _copy(config)
    return copied


def _copy(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _copy(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value)(**fields)
    if isinstance(value, Mapping):
        return MappingProxyType({key: _copy(item) for key, item in value.items()})
    if isinstance(value, tuple):
        return tuple(map(_copy, value))
    return value  # tuples of texts and paths, numbers: immutable
