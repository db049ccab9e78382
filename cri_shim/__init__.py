"""cri-shim: a Kubernetes container runtime on crun or runc, conmon and CNI.

The library is `Runtime`; `options` change values of the configuration file:

    from cri_shim import Runtime, options

    async with Runtime(options.with_storage(root="/srv/cri")) as runtime:
        image = await runtime.pull_image("docker.io/library/busybox")
        pod = await runtime.create_pod()
        container = await pod.create_container(image, ["sleep", "60"])
        await container.start()

The kubelet and crictl call two gRPC services on a unix socket. Each call becomes namespaces,
mounts, a CNI call, an OCI runtime started under conmon, and a record in LevelDB.

This is a map of the packages, top down. A package imports only packages that are lower in this list
(`hack/check` verifies it). The docstring of each package is its design page.

    cli          the command line: serve, run, image, info, config, ...; crictl's common commands
    support      the support bundle: collects what explains a problem, without secrets
    reset        removes everything that a runtime made on the node
    runtime      Runtime, the one object that a program opens and closes
    reload       the configuration is read again; what can change in a running daemon does
    assembly     builds the drivers of a runtime from the configuration
    library      pods, containers and images as objects, for programs that use the library
    report       describes the parts of the runtime and of the node
    shutdown     stops and unmounts everything at once, for a forced end
    metrics      the metrics for Prometheus; off unless configured
    tracing      the traces for OpenTelemetry; off unless configured
    rpc          the gRPC edge: errors become status codes
    streaming    the HTTP edge: exec, attach and port-forward sessions
    problems     the one list of what is wrong with the node, for log, info, Status and check
    recovery     at start: makes the objects from the records and the processes that still run
    nri          plugins of the node: the Node Resource Interface
    comparison   compares the records with the node, and repairs what is safe
    pods         use cases of pods, one verb in a file: run, stop, remove, ...
    containers   use cases of containers: create, start, stop, exec, ...
    images       use cases of images: pull, load, save, commit, tag, mount, query, remove
    engine       the value that the use cases get: the objects and the drivers
    node_plugins  what the use cases report to plugins of the node
    work         running work: equal requests share it; it is retried, and ended at close
    resolve      finds a pod or container by its name, its id, or a prefix of that
    objects      the existing pods and containers; lists are snapshots of memory
    lifecycle    the phases of pods and containers: a table of the allowed changes
    validate     checks of requests that need only the request
    default_mounts  driver: mounts.conf, the mounts of every container of the node
    oci          driver: crun or runc under conmon, and events of exits
    hooks        driver: OCI hook definitions of the node
    network      driver: CNI networks of pods
    store        driver: image layers and root file systems
    isolation    driver: pinned and user namespaces, cgroups, shared memory, profiles
    state        driver: records in LevelDB, or in memory
    timeline     driver: what the operations of a pod waited for, in files
    spec         pure: builds an OCI runtime-spec document from a CRI configuration and an image
    registry     the worker process of a pull: image names, registries.conf, HTTP to registries
    rootless     the namespaces of an unprivileged user: made, held, and entered by this process
    audit        the record of changes: chained lines, written by a thread
    directories  the root and run root: made, checked and locked
    linux        system calls, synchronous and small; callers run slow ones in a thread
    config       turns TOML files and flags into one frozen value
    options      changes of the configuration by a program that uses the library
    wire         protocols without I/O: bytes in, events out
    aio          asyncio primitives that know nothing of containers
    log          log lines
    pb           generated messages: those of the CRI, and those of the records
    faults       points at which tests make the daemon fail
    activity     work in hand: what each operation waits for, and since when
    errors       the kinds of failure
    verbs        every call of the daemon: what it can do, and which role has it
    untrusted    files and text of others: limited, checked, printable
    ownership    checks which other users can change a file, or the path to it
    version      the version of cri-shim

Three rules explain most unusual code. The intent is recorded before anything outside is changed. A
process is identified by pid and start time. Lists and statuses never wait for a slow object.
"""

from cri_shim.version import __version__

TYPE_CHECKING = False  # for type checkers; `typing` costs more than all of this module
if TYPE_CHECKING:
    from cri_shim import errors, options
    from cri_shim.library.auth import Auth
    from cri_shim.library.container import Container
    from cri_shim.library.image import Image
    from cri_shim.library.pod import Pod
    from cri_shim.library.pulling import Progress
    from cri_shim.library.session import Session
    from cri_shim.runtime import Runtime
else:
    _PLACES = {
        "Auth": "library.auth",
        "Container": "library.container",
        "Image": "library.image",
        "Pod": "library.pod",
        "Progress": "library.pulling",
        "Runtime": "runtime",
        "Session": "library.session",
    }

    def __getattr__(name: str) -> object:
        """Import a name of the library on first use: child processes import this package, too."""
        import importlib

        if name in ("errors", "options"):
            return importlib.import_module(f"cri_shim.{name}")
        if name in _PLACES:
            return getattr(importlib.import_module(f"cri_shim.{_PLACES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Auth",
    "Container",
    "Image",
    "Pod",
    "Progress",
    "Runtime",
    "Session",
    "__version__",
    "errors",
    "options",
]
