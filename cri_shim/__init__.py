"""cri-shim: a Kubernetes container runtime on crun or runc, conmon and CNI.

As a library it is `Runtime`, with `options` for what is to differ from the configuration file:

    from cri_shim import Runtime, options

    async with Runtime(options.with_storage(root="/srv/cri")) as runtime:
        image = await runtime.pull_image("docker.io/library/busybox")
        pod = await runtime.create_pod()
        container = await pod.create_container(image, ["sleep", "60"])
        await container.start()

The kubelet and crictl call two gRPC services on a unix socket; each call becomes namespaces,
mounts, a CNI call, an OCI runtime started under conmon, and a record in LevelDB.

A map of the house, top down. Imports only go down this list (`hack/check` sees to it), and each
package's docstring is its own design page. The names of one line do not import each other.

    cli          commands: serve, run, image, info, config, ...; and crictl's everyday ones
    runtime      Runtime, the one object that is opened and closed
    assembly     builds the drivers of a runtime, as the configuration says
    library      pods, containers and images as objects, for programs that are the runtime
    report       what the runtime and the node are made of
    shutdown     at a forced end: all is stopped at once, and unmounted
    rpc          the gRPC edge: errors become status codes
    streaming    the HTTP edge: exec, attach and port-forward sessions
    recovery     at start: records and what is really alive become the objects
    pods         use cases, one verb a file: run, stop, remove, ...
    containers   create, start, stop, exec, ...
    images       pull, load, save, commit, tag, mount, query, remove
    engine       what those verbs work with: the objects and the drivers, in one value
    work         work in hand: joined by equal requests, tried again, and ended at close
    objects      what exists now: pods, containers, names; lists are snapshots of memory
    lifecycle    the phases of pods and containers: a table of what may follow what
    validate     checks of requests: what a request alone can tell
    default_mounts  driver: mounts.conf, what every container of the node is given
    oci          driver: crun or runc under conmon, and the news of exits
    hooks        driver: OCI hook definitions of the node
    network      driver: CNI networks of pods
    store        driver: image layers and root file systems
    isolation    driver: pinned and user namespaces, cgroups, shared memory, profiles
    state        driver: records in LevelDB, or in memory
    spec         pure: a CRI configuration and an image become an OCI runtime-spec document
    rootless     an ordinary user's namespaces: made, held, and entered by this process
    directories  the root and run root: made, checked and locked
    linux        system calls, synchronous and small; callers offload what may take a while
    config       TOML files and flags become one frozen value
    options      what a program that is the runtime changes of the configuration
    wire         protocols without I/O: bytes in, events out
    aio          asyncio primitives that know nothing of containers
    log          log lines
    pb           generated messages: the CRI's, and those of our records
    faults       points at which tests make the daemon fail
    errors       the kinds of failure
    untrusted    files and text written by others: bounded, checked, printable
    ownership    who else may change a file, or the way to it
    version      the version of cri-shim

Three rules explain most of what looks odd: the intent is recorded before the world is touched; a
process is known by pid and start time; lists and statuses never wait for a slow object.
"""

from cri_shim.version import __version__

TYPE_CHECKING = False  # as type checkers take it; `typing` costs more than all of this module
if TYPE_CHECKING:
    from cri_shim import options
    from cri_shim.runtime import Runtime
else:

    def __getattr__(name: str) -> object:
        """What a library's user needs, imported when it is asked for: children import us, too."""
        import importlib

        if name == "Runtime":
            return importlib.import_module("cri_shim.runtime").Runtime
        if name == "options":
            return importlib.import_module("cri_shim.options")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Runtime", "__version__", "options"]
