"""The private instance that a suite runs against, and the checks after a run."""

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
from tests.fixtures.daemon import Daemon, Setting

_TEMPORARY = "tmp"
_NRI_SOCKET = "nri.sock"


@contextmanager
def private(runtime: str, binary: str, mirror: Mirror, log: Path) -> Iterator[Daemon]:
    """Start an instance whose default is crun or runc; `binary` replaces the path it finds.

    Its log is copied to `log` at the end.
    """
    settings: dict[str, Setting] = {
        "image.registries_conf": str(mirror.registries_conf),
        "runtime": runtime,
    }
    if binary:
        settings[f"runtimes.{runtime}.path"] = binary
    with tempfile.TemporaryDirectory(prefix="csc", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)  # root of a user namespace must be able to enter it
        settings |= {"nri.socket": str(directory / _NRI_SOCKET), "nri.enabled": True}
        settings["nri.plugin_directory"] = str(directory / "plugins")
        daemon = Daemon(directory, 1, **settings)
        try:
            daemon.start()
            yield daemon
        finally:
            shutil.copy(daemon.log, log)
            daemon.end()


def nri_socket(daemon: Daemon) -> Path:
    """Return the socket for the suite's NRI plugins."""
    return daemon.directory / _NRI_SOCKET


def temporary(daemon: Daemon) -> Path:
    """Make the directory for the suite's own files."""
    directory = daemon.directory / _TEMPORARY
    directory.mkdir()
    return directory


def environment(temporary: Path) -> dict[str, str]:
    """Return our environment without proxies, which would take requests of specs to pods."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return env | {"TMPDIR": str(temporary)}


def features(daemon: Daemon) -> dict[str, bool]:
    """Return the features of the default handler and of the runtime, as in Status.

    The daemon found them by trial.
    """
    status = asyncio.run(_status(daemon.socket))
    (default,) = [handler for handler in status.runtime_handlers if not handler.name]
    told = [default.features, status.features]
    return {field.name: getattr(of, field.name) for of in told for field in of.DESCRIPTOR.fields}


async def _status(socket: Path) -> api.StatusResponse:
    async with Client(socket) as client:
        return await client.runtime.Status(api.StatusRequest())


def left_on(daemon: Daemon) -> tuple[list[str], list[str]]:
    """Return the names of pods that still existed, and the leftovers after their removal."""
    abandoned = asyncio.run(_remove_pods(daemon.socket))
    # Mounts that specs make on the host do not belong to the runtime.
    own = f"{daemon.directory / _TEMPORARY}/"
    return abandoned, [trace for trace in daemon.traces() if not trace.startswith(own)]


async def _remove_pods(socket: Path) -> list[str]:
    """Remove the pods that specs have left, by an error or without cleanup; return their names."""
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
    """Return the versions of all programs, including the suite and its OCI runtime."""
    return {
        "cri-shim": f"{cri_shim.__version__} at {_commit()}",
        **of_suite,
        "conmon": tools.version("conmon"),
        "Linux": os.uname().release.partition("-")[0],
    }


def _commit() -> str:
    """Return the commit that runs, with a plus for changes on top of it."""
    git = ["git", "describe", "--always", "--dirty=+", "--match=v[0-9]*"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"
