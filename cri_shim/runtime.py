"""Runtime: the one object that everything hangs from, as libpod's did.

    async with Runtime.from_config(None, ("server.root", "/srv/cri")) as runtime:
        await runtime.serve()

Construction reads the configuration and finds the programs. `async with` opens state and drivers
and recovers what ran before; leaving the block closes them in reverse, whatever failed in between,
and leaves containers running under their conmons. `shutdown(force=True)` ends them first.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from cri_shim import assembly, recovery, report
from cri_shim.config import Config, deep_copy, load
from cri_shim.engine import Engine
from cri_shim.errors import RuntimeStopped, WrongState
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import stop as pod_stop
from cri_shim.pods.observation import Observation
from cri_shim.rpc.facts import Facts
from cri_shim.rpc.server import Server

Option = tuple[str, str]  # a dotted configuration key and its text: ("server.root", "/srv/x")
FORCED_STOP_S = 30.0  # for all pods together, when shutdown is forced

_log = logging.getLogger(__name__)


class Runtime:
    """A container runtime over one root and one run root; one process at a time may open them."""

    def __init__(self, *options: Option) -> None:
        """Configured by the file that is found (see config.load); `options` win over it.

        Raises ConfigError, and ToolFailed naming the paths tried when a program is not found.
        """
        self._setup(load(None, dict(options)))

    @classmethod
    def from_config(cls, path: Path | None, *options: Option) -> "Runtime":
        """Configured by the file at `path`; None: searched for, as `Runtime()` does."""
        runtime = cls.__new__(cls)
        runtime._setup(load(path, dict(options)))
        return runtime

    def _setup(self, config: Config) -> None:
        self._config = config
        self._programs = assembly.find_programs(config)
        self._open = AsyncExitStack()
        self._engine: Engine | None = None
        self._stopping = asyncio.Event()
        self._stopped = False

    def config(self) -> Config:
        """A deep copy of the effective configuration."""
        return deep_copy(self._config)

    async def __aenter__(self) -> "Runtime":
        if self._stopped or self._engine is not None:
            raise RuntimeStopped("a runtime is opened once; make a new one")
        try:
            self._engine = await assembly.open_engine(self._config, self._programs, self._open)
            await recovery.recover(self._engine)
            assembly.mark_alive(self._config.server.run_root, self._engine.boot_id)
        except BaseException:
            self._stopped = True
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._close()

    @property
    def engine(self) -> Engine:
        """What the verbs in pods/ and containers/ take; RuntimeStopped when there is none."""
        if self._engine is None or self._stopped:
            raise RuntimeStopped(
                "this runtime is not open: use `async with`, and not after shutdown"
            )
        return self._engine

    def info(self) -> dict[str, Any]:
        """Host, store, networks and versions, as `cri-shim info` shows them."""
        return report.info(self.engine, self._config)

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve CRI and control on the socket until `stop` is called; `ready` when it is up."""
        engine = self.engine
        facts = Facts(engine, lambda: report.effective(self._config))
        streams = assembly.streaming(self._config, engine)
        observation = Observation(engine)
        server = Server(self._config.server.socket, engine, facts, self.info, streams, observation)
        async with streams, observation, server:
            _log.info("serving on %s", self._config.server.socket)
            ready()
            await self._stopping.wait()
            _log.info("stopping; containers go on")

    def stop(self) -> None:
        """Have `serve` return. Containers are left running."""
        self._stopping.set()

    async def shutdown(self, force: bool = False) -> None:
        """Close the runtime for good.

        WrongState while containers run, unless `force`: then all pods are stopped at once, within
        one bounded time. Every error is logged with its object; the last one is raised at the end.
        """
        engine = self.engine
        running = [c for c in engine.registry.containers() if c.phase == state.CONTAINER_RUNNING]
        if running and not force:
            raise WrongState(
                f"{len(running)} containers are running, the first is {running[0].id}:"
                " stop them, or force the shutdown"
            )
        problem = await self._stop_all(engine) if force else None
        await self._close()
        if problem is not None:
            raise problem

    async def _stop_all(self, engine: Engine) -> BaseException | None:
        pods = [pod.id for pod in engine.registry.pods() if pod.phase == state.POD_READY]
        tasks = {asyncio.create_task(pod_stop.stop(engine, id)): id for id in pods}
        if not tasks:
            return None
        _, late = await asyncio.wait(tasks, timeout=FORCED_STOP_S)
        problem: BaseException | None = None
        for task, id in tasks.items():
            if task in late:
                task.cancel()
                problem = WrongState(f"pod {id} did not stop within {FORCED_STOP_S:g} s")
            elif task.exception() is not None:
                problem = task.exception()
            else:
                continue
            _log.error("shutdown: pod %s: %s", id, problem)
        return problem

    async def _close(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.stop()
            await self._open.aclose()
