"""The private instance that a suite is run against, and what is looked at when it has run."""

import asyncio
import datetime
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cri_shim
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.critestlib import tools
from hack.critestlib.mirror import Mirror
from tests.fixtures.daemon import Daemon

_TEMPORARY = "tmp"


@contextmanager
def private(runtime: str, binary: str, mirror: Mirror, log: Path) -> Iterator[Daemon]:
    """A started instance whose default is crun or runc; `binary`: not the one it finds itself.

    Its log is copied to `log` at the end.
    """
    settings = {"image.registries_conf": str(mirror.registries_conf), "runtime": runtime}
    if binary:
        settings[f"runtimes.{runtime}.path"] = binary
    with tempfile.TemporaryDirectory(prefix="csc", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)  # root of a user namespace must come by
        daemon = Daemon(directory, 1, **settings)
        try:
            daemon.start()
            yield daemon
        finally:
            shutil.copy(daemon.log, log)
            daemon.end()


def temporary(daemon: Daemon) -> Path:
    """Make the place for the suite's own files."""
    directory = daemon.directory / _TEMPORARY
    directory.mkdir()
    return directory


def environment(temporary: Path) -> dict[str, str]:
    """Ours without proxies, which would take the requests that specs send to pods."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return env | {"TMPDIR": str(temporary)}


def features(daemon: Daemon) -> dict[str, bool]:
    """What Status says of the default handler and of the runtime: that was found out by trial."""
    status = asyncio.run(_status(daemon.socket))
    (default,) = [handler for handler in status.runtime_handlers if not handler.name]
    told = [default.features, status.features]
    return {field.name: getattr(of, field.name) for of in told for field in of.DESCRIPTOR.fields}


async def _status(socket: Path) -> api.StatusResponse:
    async with Client(socket) as client:
        return await client.runtime.Status(api.StatusRequest())


def left_on(daemon: Daemon) -> tuple[list[str], list[str]]:
    """The names of pods that were still there, and what is left when they have been removed."""
    abandoned = asyncio.run(_remove_pods(daemon.socket))
    # What specs mount on the host is not the runtime's.
    own = f"{daemon.directory / _TEMPORARY}/"
    return abandoned, [trace for trace in daemon.traces() if not trace.startswith(own)]


async def _remove_pods(socket: Path) -> list[str]:
    """Remove the pods that specs which failed, or do not clean up, have left; their names."""
    async with Client(socket) as client:
        pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        for pod in pods:
            await client.runtime.RemovePodSandbox(
                api.RemovePodSandboxRequest(pod_sandbox_id=pod.id)
            )
    return [pod.metadata.name for pod in pods]


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def versions(**of_suite: str) -> dict[str, str]:
    """What took part, the suite and its OCI runtime among it."""
    return {
        "cri-shim": f"{cri_shim.__version__} at {_commit()}",
        **of_suite,
        "conmon": tools.version("conmon"),
        "Linux": os.uname().release.partition("-")[0],
    }


def _commit() -> str:
    """The commit that is run, with a plus for changes on top of it."""
    git = ["git", "describe", "--always", "--dirty=+", "--match=v[0-9]*"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"
