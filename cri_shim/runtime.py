"""Runtime: the one object that everything hangs from, as libpod's did.

    async with Runtime(options.with_storage(root="/srv/cri", run_root="/run/cri")) as runtime:
        image = await runtime.pull_image("docker.io/library/busybox")
        pod = await runtime.create_pod(log_directory="/var/log/example")
        container = await pod.create_container(image, ["echo", "hello"])
        await container.start()
        print(await container.wait(), [entry.content async for entry in container.logs()])
        await runtime.serve()                    # or not: nothing here needs the daemon

Construction reads the configuration and finds the programs. `async with` locks the directories,
opens state and drivers and recovers what ran before; if that fails, everything opened so far is
closed, and what it made is taken away. Leaving the block closes in reverse, whatever failed in
between, and leaves containers running under their conmons. `shutdown(force=True)` ends them first.

A runtime is opened once, in the main thread, and of one pair of directories there is one runtime
at a time. RuntimeStopped is the answer to every call that comes before or after.
"""

import asyncio
import enum
import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from cri_shim import assembly, recovery, report, rootless, shutdown
from cri_shim.aio.cleanup import Closing
from cri_shim.aio.offload import finish, join, offload
from cri_shim.config import Config, deep_copy, load
from cri_shim.directories import Directories
from cri_shim.engine import Engine
from cri_shim.errors import RuntimeStopped, WrongState
from cri_shim.images import load as load_images
from cri_shim.images import prune as image_prune
from cri_shim.images import pull, query
from cri_shim.library import container, layer, names, pod
from cri_shim.library.container import Container
from cri_shim.library.image import Image
from cri_shim.library.layer import Layer
from cri_shim.library.pod import Pod
from cri_shim.oci.program_versions import Inventory
from cri_shim.options import Option, Options, flat
from cri_shim.pb.api_pb2 import AuthConfig, PodSandboxConfig
from cri_shim.pods import prune
from cri_shim.pods.prune import Pruned
from cri_shim.pods.telemetry import Telemetry
from cri_shim.shutdown import FORCED_STOP_S

_log = logging.getLogger(__name__)


class _Phase(enum.Enum):
    NEW = "it is not open: use `async with`"
    OPENING = "it is being opened"
    OPEN = ""
    ENDED = "it was shut down, or could not be opened: make a new one"


class Runtime:
    """A container runtime over one root and one run root; one process at a time may open them."""

    def __init__(self, *options: Option | Options) -> None:
        """Configured by the file that is found (see config.load); `options` win over it.

        Raises ConfigError, and ToolFailed naming the paths tried when a program is not found.
        """
        self._setup(None, options)

    @classmethod
    def from_config(cls, path: Path | None, *options: Option | Options) -> "Runtime":
        """Configured by the file at `path`; None: searched for, as `Runtime()` does."""
        runtime = cls.__new__(cls)
        runtime._setup(path, options)
        return runtime

    def _setup(self, path: Path | None, options: tuple[Option | Options, ...]) -> None:
        self._path, self._options = path, options
        self._config = load(path, flat(options))
        self._programs = assembly.find_programs(self._config)
        self._inventory = Inventory()
        self._phase = _Phase.NEW
        self._engine: Engine | None = None
        self._closing = Closing()
        self._ending: asyncio.Task[Exception | None] | None = None
        self._advice: asyncio.Task[list[str]] | None = None
        self._stopping = asyncio.Event()
        self._unserved = asyncio.Event()  # nobody is being served
        self._unserved.set()

    def configure(self, *options: Option | Options) -> None:
        """Further options, while the runtime was not opened; RuntimeStopped from then on.

        Where one is wrong (see the constructor), none of them counts.
        """
        if self._phase is not _Phase.NEW:
            raise RuntimeStopped("a runtime takes no option once it was opened; make a new one")
        self._setup(self._path, (*self._options, *options))

    def config(self) -> Config:
        """A deep copy of the effective configuration."""
        return deep_copy(self._config)

    async def __aenter__(self) -> "Runtime":
        if self._phase is not _Phase.NEW:
            raise RuntimeStopped("a runtime is opened once; make a new one")
        rootless.required()
        self._phase = _Phase.OPENING
        server = self._config.server
        self._closing.add("the user namespace", self._let_go)
        directories = Directories(server.root, server.run_root)
        self._closing.add(
            f"{server.root} and {server.run_root}", lambda: offload(directories.give_back)
        )
        try:
            directories.take()
            engine = await assembly.open_engine(self._config, self._programs, self._closing)
            await recovery.recover(engine)
            assembly.mark_alive(server.run_root, engine.boot_id)
        except BaseException:
            self._phase = _Phase.ENDED
            await finish(self._closing.close())
            raise
        directories.keep()
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
        """What the verbs in pods/ and containers/ take; RuntimeStopped when there is none."""
        if self._engine is None or self._phase is not _Phase.OPEN:
            raise RuntimeStopped(f"this runtime cannot be used: {self._phase.value}")
        return self._engine

    async def info(self) -> dict[str, Any]:
        """Host, store, registries, networks, plugins and programs, as `cri-shim info` shows them.

        JSON-able. What cannot be told is `{"error": ...}` in its place.
        """
        conmon = self._programs.conmon
        return await report.info(self.engine, self._config, conmon, self._inventory, self._warnings)

    async def _warnings(self) -> list[str]:
        """About the configuration, and about the set-up of the node as it was at the start."""
        if self._advice is None:
            self._advice = asyncio.create_task(self._advise(), name="look at the set-up")
            self._closing.add("the look at the set-up", self._end_advice)
        return [*self._config.warnings, *await join(self._advice)]

    async def _advise(self) -> list[str]:
        found = await offload(assembly.advice.of_places, self._config)
        return found + await assembly.advice.of_versions(self.engine.handlers, self._inventory)

    async def _end_advice(self) -> None:
        if self._advice is not None:
            self._advice.cancel()
            await asyncio.gather(self._advice, return_exceptions=True)

    async def _tell_warnings(self) -> None:
        """Beside the first calls: package databases may be slow."""
        for warning in await self._warnings():
            if warning not in self._config.warnings:  # those were told when it was read
                _log.warning("%s", warning)

    # -- pods and containers -----------------------------------------------------------------

    def pods(self) -> list[Pod]:
        """Every pod of this state namespace."""
        return pod.listed(self.engine)

    def pod(self, id_or_name: str) -> Pod:
        """By id, NAME or NAMESPACE/NAME, or unique id prefix.

        NotFound; InvalidArgument if it is ambiguous; WrongNamespace.
        """
        return Pod(self.engine, names.pod(self.engine.objects, id_or_name).id)

    async def create_pod(
        self, config: PodSandboxConfig | None = None, *, handler: str = "", **words: Any
    ) -> Pod:
        """Make a pod, which is ready then: of a whole config of the CRI, or of few words.

        Those are name (made up where there is none), namespace, uid, labels, annotations, hostname,
        log_directory, host_network, share_pids, ...: see library/configs.py. `handler` is the OCI
        runtime. Errors: pods/run.py.
        """
        return await pod.create(self.engine, config, handler, words)

    def containers(self) -> list[Container]:
        """Every container of this state namespace."""
        return container.listed(self.engine)

    def container(self, id_or_name: str) -> Container:
        """By id, NAME, POD/NAME or NAMESPACE/POD/NAME, or unique id prefix; errors as `pod`."""
        return Container(self.engine, names.container(self.engine.objects, id_or_name).id)

    async def prune(self) -> Pruned:
        """Remove pods that have ended and containers that have exited; what went, and what not."""
        return await prune.prune(self.engine)

    def generate_name(self) -> str:
        """adjective_surname, which no pod and no container has, and which is given out once."""
        return names.generate(self.engine.objects)

    # -- images -------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """Every image on this node."""
        return [Image(self.engine, record.id) for record in self.engine.images.catalog.images()]

    def image(self, name: str) -> Image:
        """The image of an id, a unique prefix of one, a tag or a digest; NotFound otherwise."""
        return Image(self.engine, query.find(self.engine, name).id)

    def layers(self) -> list[Layer]:
        """Every layer on this node, each after the one it stands on, with its users."""
        return layer.layers(self.engine)

    async def pull_image(self, name: str, auth: AuthConfig | None = None) -> Image:
        """Bring an image here, or up to date; `auth` is the CRI's. Errors: images/pull.py."""
        return Image(self.engine, await pull.pull(self.engine, name, auth))

    async def load_image(self, source: str, name: str = "") -> list[Image]:
        """Bring every image of an archive or directory here, or its only one under `name`.

        `source` is docker-archive:, oci-archive:, oci: or dir: with an absolute path.
        """
        loaded = await load_images.load(self.engine, source, name)
        return [Image(self.engine, each.image_id) for each in loaded]

    async def prune_images(self, *, all: bool = False) -> Sequence[str]:
        """Remove images without a tag, or `all`, that nobody uses; their ids. Pinned ones stay."""
        return await image_prune.prune(self.engine, all=all)

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve CRI and control on the socket until `stop` is called; `ready` when it is up."""
        from cri_shim.rpc.server import Server  # grpc: a program that never serves does without
        from cri_shim.rpc.status import RuntimeStatus

        engine = self.engine
        if not self._unserved.is_set():
            raise WrongState(f"this runtime serves on {self._config.server.socket} already")
        status = RuntimeStatus(engine, lambda: report.effective(self._config))
        streams = assembly.streaming(self._config, engine)
        observation = Telemetry(engine)
        server = Server(self._config.server.socket, engine, status, self.info, streams, observation)
        self._unserved.clear()
        telling = asyncio.create_task(self._tell_warnings(), name="tell the warnings")
        try:
            async with streams, observation, server:
                _log.info("serving on %s", self._config.server.socket)
                ready()
                await self._stopping.wait()
                _log.info("stopping; containers go on")
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            self._unserved.set()

    def stop(self) -> None:
        """Have `serve` return. Containers are left running."""
        self._stopping.set()

    async def shutdown(self, force: bool = False, timeout: float = FORCED_STOP_S) -> None:
        """Close the runtime for good, and unmount what the store has mounted.

        WrongState while containers run, unless `force`: then all pods are stopped at once, within
        `timeout` seconds, and the bundled network is removed from the node. Every error is logged
        with its object; the last is raised at the end.
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

    def _let_go(self) -> None:
        """An ordinary user's namespaces are held for what is left of pods, and for nothing else."""
        engine = self._engine
        unused = None if engine is None else not any(engine.objects.everything())
        rootless.let_go(self._config.server.run_root, unused)

    async def _close(self) -> Exception | None:
        await self._unserved.wait()
        return await self._closing.close()

    async def _end(
        self, how: Callable[[], Coroutine[Any, Any, Exception | None]]
    ) -> Exception | None:
        """End once, whoever asks first, and to its end; the others wait for the same."""
        if self._ending is None:
            self._phase = _Phase.ENDED
            self.stop()
            self._ending = asyncio.create_task(how(), name="end of the runtime")
        return await finish(self._ending)
