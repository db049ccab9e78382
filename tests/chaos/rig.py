"""A daemon that fails and dies on request, and snapshots of pods and images before and after."""

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.chaos import world
from tests.chaos.cni_spy import Spy
from tests.fixtures import busybox
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, Setting

SETTLE_S = 60.0  # for background work, on a busy machine; its first retry is after 1 s
_STEP_S = 0.05


@contextmanager
def mortal_daemon(
    settings: Mapping[str, Setting], prepare: Callable[[Daemon], None] = lambda _: None
) -> Iterator[Daemon]:
    """Yield a private daemon that obeys the plan in `daemon.faults`; its namespaces are its own.

    `prepare` is called after the directory is made and before the daemon starts. Layers of a pull
    that fails go at once, so that a snapshot shows what else would be left.
    """
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as directory:
        daemon = Daemon(Path(directory))
        daemon.settings |= {"network.netns_dir": f"{directory}/netns", **settings}
        daemon.settings["image.failed_pull_grace"] = 0.0
        daemon.env["CRI_SHIM_FAULTS"] = str(daemon.faults)
        try:
            prepare(daemon)
            daemon.start()
            asyncio.run(daemon.load(busybox.archive(daemon.directory / "busybox.tar")))
            yield daemon
        finally:
            daemon.end()
            world.remove_parents(daemon)


def spied(daemon: Daemon) -> None:
    """Configure the instance to use the spy's network."""
    spy = Spy(daemon.directory / "plugins")
    spy.install()
    daemon.settings["cni_plugin_dir"] = str(spy.directory)
    config = daemon.directory / "net.d"
    config.mkdir()
    leases = daemon.root / "cni" / "networks"
    (config / "10-spied.conflist").write_text(spy.conflist(daemon.bridge, daemon.subnet, leases))


class Rig:
    """Calls to a daemon that survive its restarts."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._log_from = 0

    async def __aenter__(self) -> "Rig":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    async def connect(self) -> None:
        self._client = await Client(self.daemon.socket).__aenter__()
        self.cri = Cri(self.daemon, self._client)

    def order(self, point: str, how: str) -> None:
        """Let the daemon `fail` or `kill` itself at a point."""
        self._log_from = self.daemon.log.stat().st_size
        self.daemon.faults.write_text(f"{point} {how}\n")

    def pardon(self) -> None:
        self.daemon.faults.unlink(missing_ok=True)

    def log(self) -> str:
        """Return the daemon's log since the last order."""
        with self.daemon.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def failed_at(self, point: str) -> bool:
        """Return whether the daemon has met the ordered failure."""
        return f"injected fault at {point}" in self.log()

    def died(self) -> bool:
        """Return whether the daemon has ended, or ends within a moment."""
        process = self.daemon._process
        assert process is not None
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            return False
        return True

    async def restart(self) -> None:
        """Start the daemon again after its death, or kill it first."""
        self.daemon.kill()
        self.daemon.start()
        await self._client.__aexit__(None, None, None)
        await self.connect()

    async def live(self) -> None:
        """Restart the daemon if it has died."""
        if self.died():
            await self.restart()

    async def until(self, true: Callable[[], bool]) -> None:
        limit = time.monotonic() + SETTLE_S
        while not true():
            assert time.monotonic() < limit, self.log()[-4000:]
            await asyncio.sleep(_STEP_S)

    async def network(self) -> tuple[bool, str]:
        """Return whether pods can have a network, and the message of the status."""
        status = await self.cri.runtime.Status(api.StatusRequest())
        (network,) = (c for c in status.status.conditions if c.type == "NetworkReady")
        return network.status, network.message

    async def network_becomes(self, ready: bool) -> None:
        limit = time.monotonic() + SETTLE_S
        while (now := await self.network())[0] != ready:
            assert time.monotonic() < limit, now
            await asyncio.sleep(_STEP_S)

    async def no_retries(self) -> None:
        """Return when no background work is left; until then some of it must end every SETTLE_S."""
        limit, least = time.monotonic() + SETTLE_S, 1 << 30
        while left := await self.retries():
            if len(left) < least:
                limit, least = time.monotonic() + SETTLE_S, len(left)
            assert time.monotonic() < limit, left
            await asyncio.sleep(_STEP_S)

    async def retries(self) -> dict[str, str]:
        """Return the background work that is being retried, with the last error of each."""
        status = await self.cri.runtime.Status(api.StatusRequest(verbose=True))
        return dict(json.loads(status.info["retries"]))

    async def snapshot(self) -> set[str]:
        """Return the world, the lists, and the work that is being retried."""
        pods = (await self.cri.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        containers = await self.cri.runtime.ListContainers(api.ListContainersRequest())
        images = (await self.cri.image.ListImages(api.ListImagesRequest())).images
        found = world.things(self.daemon)
        found |= {f"record of pod {p.id} {api.PodSandboxState.Name(p.state)}" for p in pods}
        found |= {f"record of container {c.id}" for c in containers.containers}
        found |= {f"record of image {i.id} {sorted(i.repo_tags)}" for i in images}
        return found | {f"retry of {k}: {v}" for k, v in (await self.retries()).items()}

    async def told(self) -> list[str]:
        """Return every pod and container in full, as the CRI reports them."""
        pods = [str(await self.cri.pod_status(pod)) for pod in await self.cri.pods()]
        return pods + [str(await self.cri.status(id)) for id in await self.cri.containers()]

    async def becomes(self, wanted: set[str]) -> None:
        """Return when everything is as in `wanted`; fail with the difference otherwise."""
        limit = time.monotonic() + SETTLE_S
        while (now := await self.snapshot()) != wanted:
            if time.monotonic() > limit:
                more, less = sorted(now - wanted), sorted(wanted - now)
                raise AssertionError(f"left behind: {more}\nlost: {less}\n{self.log()[-4000:]}")
            await asyncio.sleep(_STEP_S)

    async def settled(self, never: Callable[[], bool] = lambda: False) -> set[str]:
        """Return a snapshot that is the same twice, with no retries.

        AssertionError if the retries will `never` succeed.
        """
        limit = time.monotonic() + SETTLE_S
        now = await self.snapshot()
        while True:
            await asyncio.sleep(_STEP_S)
            before, now = now, await self.snapshot()
            retries = await self.retries()
            if before == now and not retries:
                return now
            assert not (retries and never()), retries
            assert time.monotonic() < limit, sorted(before ^ now)
