"""Runtime: the object from which a program reaches all others, as in libpod.

    async with Runtime(options.with_storage(root="/srv/cri", run_root="/run/cri")) as runtime:
        image = await runtime.pull_image("docker.io/library/busybox")
        pod = await runtime.create_pod(log_directory="/var/log/example")
        container = await pod.create_container(image, ["echo", "hello"])
        await container.start()
        print(await container.wait(), [entry.content async for entry in container.logs()])
        await runtime.serve()                    # optional: nothing above needs the daemon

Construction reads the configuration and finds the programs. `async with` locks the directories,
opens state and drivers, and recovers the objects of earlier runtimes. If that fails, everything
opened so far is closed, and everything that it made is removed. Leaving the block closes in reverse
order, also after errors, and leaves containers running under their conmons. `shutdown(force=True)`
ends them first.

A runtime is opened once, in the main thread. A pair of directories can have only one runtime at a
time. Every call before the opening or after the end raises RuntimeStopped.
"""

import asyncio
import enum
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from cri_shim import assembly, recovery, report, resolve, rootless, shutdown
from cri_shim.activity import Subject
from cri_shim.aio.cleanup import Closing
from cri_shim.aio.offload import finish, offload
from cri_shim.audit.journal import Journal
from cri_shim.comparison import leaks
from cri_shim.comparison.watch import Comparison, Comparisons
from cri_shim.config import Config, deep_copy, load
from cri_shim.directories import Directories
from cri_shim.engine import Engine
from cri_shim.errors import RuntimeStopped, WrongState
from cri_shim.images import load as image_load
from cri_shim.images import preload, query
from cri_shim.images import prune as image_prune
from cri_shim.library import container, layer, names, places, pod, pulling
from cri_shim.library.arguments import checked
from cri_shim.library.auth import Auth
from cri_shim.library.configs import PodFields
from cri_shim.library.container import Container
from cri_shim.library.image import Image
from cri_shim.library.layer import Layer
from cri_shim.library.pod import Pod
from cri_shim.library.pulling import Progress
from cri_shim.oci.program_versions import Inventory
from cri_shim.options import Option, Options, StrPath, flat
from cri_shim.pb.api_pb2 import PodSandboxConfig
from cri_shim.pods import prune
from cri_shim.pods.prune import Pruned
from cri_shim.pods.telemetry import Telemetry
from cri_shim.problems import Finding, problems
from cri_shim.problems.watch import Problems
from cri_shim.reload import Reloaded, Reloading
from cri_shim.shutdown import FORCED_STOP_S
from cri_shim.streaming.server import StreamingServer

_log = logging.getLogger(__name__)
# A program that does not configure logging gets no lines of a library.
logging.getLogger("cri_shim").addHandler(logging.NullHandler())


class _Phase(enum.Enum):
    NEW = "it is not open: use `async with`"
    OPENING = "it is being opened"
    OPEN = ""
    ENDED = "it was shut down, or could not be opened: make a new one"


@checked
class Runtime:
    """A container runtime for one root and one run root; one process at a time may open them."""

    def __init__(self, *options: "Option | Options") -> None:
        """Configure from the file that config.load finds; `options` override it.

        Raises ConfigError, and ToolFailed naming the paths tried if a program is not found.
        """
        self._setup(None, options)

    @classmethod
    def from_config(cls, path: StrPath | None, *options: "Option | Options") -> "Runtime":
        """Configure from the file at `path`; None: search for it, as `Runtime()` does."""
        runtime = cls.__new__(cls)
        runtime._setup(None if path is None else Path(path), options)
        return runtime

    def _setup(self, path: Path | None, options: tuple[Option | Options, ...]) -> None:
        self._began = time.monotonic()
        self._path, self._options = path, options
        given = flat(options)
        config = load(path, given)
        self._running = Reloading(config, assembly.find_programs(config), path, given)
        self._streams: StreamingServer | None = None
        self._journal: Journal | None = None  # the audit record, while `serve` runs
        self._inventory = Inventory()
        self._phase = _Phase.NEW
        self._engine: Engine | None = None
        self._closing = Closing()
        self._ending: asyncio.Task[Exception | None] | None = None
        self._problems: Problems | None = None
        self._comparisons: Comparisons | None = None
        self._recovered = recovery.Recovered()
        self._stopping = asyncio.Event()
        self._unserved = asyncio.Event()  # `serve` is not running
        self._unserved.set()

    def configure(self, *options: "Option | Options") -> None:
        """Add options before the runtime is opened; RuntimeStopped afterwards.

        If one is wrong (see the constructor), none of them takes effect.
        """
        if self._phase is not _Phase.NEW:
            raise RuntimeStopped("a runtime takes no option once it was opened; make a new one")
        self._setup(self._path, (*self._options, *options))

    def config(self) -> Config:
        """Return a deep copy of the effective configuration."""
        return deep_copy(self._running.config)

    async def __aenter__(self) -> "Runtime":
        if self._phase is not _Phase.NEW:
            raise RuntimeStopped("a runtime is opened once; make a new one")
        rootless.required()
        self._phase = _Phase.OPENING
        server = self._running.config.server
        self._closing.add("the user namespace", self._end_namespaces)
        self._closing.add("the mounts of reloads", self._running.close)
        directories = Directories(server.root, server.run_root)
        self._closing.add(
            f"{server.root} and {server.run_root}", lambda: offload(directories.unlock)
        )
        try:
            directories.lock()
            engine = await assembly.open_engine(
                lambda: self._running.config, self._running.programs, self._closing
            )
            self._recovered = await recovery.recover(engine)
            if (nri := self._running.config.nri).enabled:
                from cri_shim.nri.service import open_plugins  # loads NRI only where it is used

                await open_plugins(engine, nri, self._closing)
            if directory := self._running.config.image.preload_dir:
                preload.start(engine, Path(directory))
            assembly.mark_alive(server.run_root, engine.boot_id)
        except BaseException:
            self._phase = _Phase.ENDED
            await finish(self._closing.close())
            raise
        directories.keep()
        self._problems = Problems(engine, lambda: self._running.config, self._inventory)
        self._closing.add("the list of problems", self._problems.close)
        self._comparisons = Comparisons(engine, self._running.config)
        self._closing.add("the comparison with the node", self._comparisons.close)
        self._engine, self._phase = engine, _Phase.OPEN
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        ended_before = self._ending is not None
        problem = await self._end(self._close)
        if problem is not None and error is None and not ended_before:
            raise problem

    @property
    def engine(self) -> Engine:
        """The engine for the verbs in pods/ and containers/; RuntimeStopped if there is none."""
        if self._engine is None or self._phase is not _Phase.OPEN:
            raise RuntimeStopped(f"this runtime cannot be used: {self._phase.value}")
        return self._engine

    def _named(self, kind: str, id: str) -> Subject | None:
        return None if self._engine is None else self._engine.objects.named(kind, id)

    async def info(self) -> dict[str, Any]:
        """Return host, store, registries, networks, plugins and programs, as `cri-shim info` does.

        JSON-able. A value that cannot be found is `{"error": ...}`.
        """
        running = self._running
        conmon = running.programs.conmon
        return await report.info(self.engine, running.config, conmon, self._inventory, self._told)

    async def check(self) -> list[Finding]:
        """Look at the node and at this runtime; return all findings, as `cri-shim check` does."""
        self.engine  # noqa: B018 - RuntimeStopped
        assert self._problems is not None
        return [*await self._problems.look(), *report.audit.findings(self._journal)]

    async def _checked(self) -> list[dict[str, Any]]:
        return [finding.facts() for finding in await self.check()]

    async def compare(self, *, repair: bool = False) -> dict[str, Any]:
        """Compare the records with the node, and return the `differences`, as `check` does.

        JSON-able; `problems` has the classes that could not be compared. With `repair`, what is
        safe is repaired, and `result` of a difference is "repaired" or the error.
        """
        return (await self._compared(repair=repair)).facts()

    async def leaks(self) -> dict[str, Any]:
        """Return unfinished work and leftovers as `leaks`, JSON-able, as `cri-shim leaks` does."""
        return leaks.facts(self.engine, await self._compared())

    async def _compared(self, *, repair: bool = False) -> Comparison:
        self.engine  # noqa: B018 - RuntimeStopped
        assert self._comparisons is not None
        return await self._comparisons.compare(repair=repair)

    async def _told(self) -> list[dict[str, Any]]:
        return [problem.facts() for problem in problems(await self.check())]

    # -- pods and containers -----------------------------------------------------------------

    def pods(self) -> list[Pod]:
        """Return every pod of this state namespace."""
        return pod.listed(self.engine)

    def pod(self, id_or_name: str) -> Pod:
        """Return a pod by id, NAME or NAMESPACE/NAME, or unique id prefix.

        NotFound; InvalidArgument if the name is ambiguous; WrongNamespace.
        """
        return Pod(self.engine, resolve.pod(self.engine.objects, id_or_name).id)

    async def create_pod(
        self,
        config: PodSandboxConfig | None = None,
        *,
        handler: str = "",
        **fields: Unpack[PodFields],
    ) -> Pod:
        """Make a pod and return it when it is ready, from a whole CRI config or from `fields`.

        `handler` is the name of the OCI runtime; "": the node's default. `fields`: see PodFields.
        InvalidArgument; AlreadyExists for a name in use; ToolFailed if a program or plugin fails.
        """
        return await pod.create(self.engine, config, handler, fields)

    def containers(self) -> list[Container]:
        """Return every container of this state namespace."""
        return container.listed(self.engine)

    def container(self, id_or_name: str) -> Container:
        """Return one by id, NAME, POD/NAME or NAMESPACE/POD/NAME, or id prefix; errors as `pod`."""
        return Container(self.engine, resolve.container(self.engine.objects, id_or_name).id)

    async def prune(self) -> Pruned:
        """Remove ended pods and exited containers; return the removed ones and the errors."""
        return await prune.prune(self.engine)

    def generate_name(self) -> str:
        """Return adjective_surname, which no pod or container has; each name is returned once."""
        return names.generate(self.engine.objects)

    # -- images -------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """Return every image on this node."""
        return [Image(self.engine, record.id) for record in self.engine.images.catalog.images()]

    def image(self, name: str) -> Image:
        """Return the image of an id, a unique id prefix, a tag or a digest; NotFound otherwise."""
        return Image(self.engine, query.find(self.engine, name).id)

    def layers(self) -> list[Layer]:
        """Return every layer on this node, each after its parent, with its users."""
        return layer.layers(self.engine)

    async def pull_image(
        self,
        name: str,
        auth: Auth | None = None,
        *,
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        """Fetch or update an image.

        `progress` is called with each change, at most ten times a second; its error ends the call.
        RegistryUnavailable; NotFound; SignatureValidationFailed; Unavailable without disk space;
        ToolFailed for other reasons, such as refused credentials.
        """
        return Image(self.engine, await pulling.pull(self.engine, name, auth, progress))

    async def load_image(self, source: StrPath, name: str = "") -> list[Image]:
        """Load every image of an archive or directory, or its only one under `name`.

        `source` is a path, or docker-archive:, oci-archive:, oci: or dir: and a path.
        """
        loaded = await image_load.load(self.engine, places.absolute(source), name)
        return [Image(self.engine, each.image_id) for each in loaded]

    async def prune_images(self, *, all: bool = False) -> Sequence[str]:
        """Remove unused images, without `all` only untagged ones; return ids. Pinned ones stay."""
        return (await image_prune.prune(self.engine, all=all)).ids

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve CRI and control on the socket until `stop` is called; run `ready` when it is up."""
        from cri_shim.rpc.control_service import Reports
        from cri_shim.rpc.server import Server  # loads grpc, only for programs that serve
        from cri_shim.rpc.status import RuntimeStatus

        engine = self.engine
        if not self._unserved.is_set():
            socket = self._running.config.server.socket
            raise WrongState(f"this runtime serves on {socket} already")
        assert self._problems is not None
        running = self._running
        status = RuntimeStatus(engine, lambda: report.effective(running.config), self._problems)
        observation = Telemetry(engine)
        reports = Reports(
            self.info,
            self._checked,
            lambda: report.in_force(running.config),
            self._reloaded,
            lambda repair: self.compare(repair=repair),
            self.leaks,
        )
        journal = self._journal = await assembly.audit(running.config)
        self._unserved.clear()
        following = asyncio.create_task(self._problems.follow(), name="follow the problems")
        try:
            streams = self._streams = assembly.streaming(running.config, engine, journal)
            sockets = assembly.sockets(running.config, journal)
            server = Server(sockets, engine, status, reports, streams, observation)
            traces = assembly.traces(running.config)
            metrics = assembly.metrics(
                running.config,
                engine,
                self._problems,
                observation,
                streams,
                lambda: server.restarts,
                traces.counts,
            )
            async with streams, observation, traces, metrics, server:
                ready()
                self._problems.tell()
                _log.info("%s", await self._started())
                await self._stopping.wait()
                _log.info("stopping; containers keep running")
        finally:
            self._streams = self._journal = None
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            if journal is not None:
                await journal.close()
            self._unserved.set()

    async def _started(self) -> str:
        """Return the last line of a start: what serves, with which programs, and what was found."""
        conmon = await report.start.version(self._inventory, self._running.programs.conmon)
        seconds = time.monotonic() - self._began
        socket = self._running.config.server.socket
        return report.start.line(self.engine, conmon, socket, self._recovered, seconds)

    async def reload(self) -> Reloaded:
        """Read the configuration again, and change what can change while it runs.

        ConfigError with file, line and key if it is wrong: then nothing changes. Calls that run
        keep the configuration of their beginning.
        """
        return await self._running.reload(self.engine, self._streams)

    async def _reloaded(self) -> dict[str, Any]:
        return (await self.reload()).facts()

    def stop(self) -> None:
        """Make `serve` return. Containers keep running."""
        self._stopping.set()

    async def shutdown(self, force: bool = False, timeout: float = FORCED_STOP_S) -> None:
        """Close the runtime for good, and unmount the store's mounts.

        WrongState while containers run, unless `force`: then all pods are stopped at once, within
        `timeout` seconds, and the bundled network is removed from the node. Every error is logged
        with its object; the last one is raised at the end.
        """
        engine = self.engine
        if (running := shutdown.running(engine)) and not force:
            raise WrongState(
                f"{len(running)} containers are running, the first is {running[0].id}:"
                " stop them, or force the shutdown"
            )
        problem = await self._end(lambda: self._shut_down(engine, force, timeout))
        if problem is not None:
            raise problem

    async def _shut_down(self, engine: Engine, force: bool, timeout: float) -> Exception | None:
        await self._unserved.wait()
        problem = await shutdown.stop_all(engine, timeout) if force else None
        problem = await shutdown.unmount_all(engine) or problem
        if force:
            problem = await shutdown.remove_network(engine) or problem
        return await self._closing.close() or problem

    def _end_namespaces(self) -> None:
        """Release an unprivileged user's namespaces, unless pods still need them."""
        engine = self._engine
        unused = None if engine is None else not any(engine.objects.everything())
        rootless.end_if_unused(self._running.config.server.run_root, unused)

    async def _close(self) -> Exception | None:
        await self._unserved.wait()
        return await self._closing.close()

    async def _end(
        self, how: Callable[[], Coroutine[Any, Any, Exception | None]]
    ) -> Exception | None:
        """End once, by the first caller's function, to completion; other callers wait for it."""
        if self._ending is None:
            self._phase = _Phase.ENDED
            self.stop()
            self._ending = asyncio.create_task(how(), name="end of the runtime")
        return await finish(self._ending)
