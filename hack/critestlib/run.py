"""One combination: a private instance with one default OCI runtime, and the suite against it."""

import asyncio
import datetime
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cri_shim
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.critestlib import segments, tools
from hack.critestlib.mirror import Mirror
from hack.critestlib.outcome import Outcome, read_specs
from tests.fixtures.daemon import Daemon

SUITE_LIMIT = "20m"
TEMPORARY = "tmp"
_STREAMS = ("exec", "attach", "portforward")


@dataclass(frozen=True, slots=True)
class Combination:
    runtime: str  # crun or runc
    binary: str  # path; "" for the one that cri-shim finds by itself
    websocket: bool
    parallel: int  # processes; 1: one spec after another

    @property
    def title(self) -> str:
        way = f"{self.parallel} at a time" if self.parallel > 1 else "serial"
        return f"{self.label}, {'WebSocket' if self.websocket else 'SPDY'}, {way}"

    @property
    def label(self) -> str:
        return f"{self.runtime} {self.version}"

    @property
    def version(self) -> str:
        return tools.version(self.binary or self.runtime)

    @property
    def file_name(self) -> str:
        return file_name(self.title)


def file_name(title: str) -> str:
    """What the files of a combination's run are called, without their endings."""
    return title.replace(",", "").replace(" ", "-").lower()


@dataclass(frozen=True, slots=True)
class Suite:
    """critest and what it is asked to run. `logs` takes its words and the instance's log."""

    critest: Path
    version: str
    exchanged_digest: bool
    logs: Path
    focus: Sequence[str] = ()
    skip: Sequence[str] = ()


def run(combination: Combination, suite: Suite, mirror: Mirror) -> Outcome:
    """Run the suite; RuntimeError if it does not come to a report."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="csc", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)  # root of a user namespace must come by
        daemon = Daemon(directory, 1, **_settings(combination, mirror))
        try:
            daemon.start()
            with segments.swept():
                report = _critest(combination, suite, daemon)
            abandoned = asyncio.run(_remove_pods(daemon.socket))
            own = f"{directory / TEMPORARY}/"  # what specs mount on the host is not the runtime's
            traces = [trace for trace in daemon.traces() if not trace.startswith(own)]
        finally:
            shutil.copy(daemon.log, suite.logs / f"{combination.file_name}.daemon.log")
            daemon.end()
    return Outcome(
        combination=combination.title,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        versions=_versions(combination, suite),
        exchanged_digest=suite.exchanged_digest,
        seconds=round(time.monotonic() - started, 1),
        specs=read_specs(report),
        abandoned=abandoned,
        traces=traces,
    )


async def _remove_pods(socket: Path) -> list[str]:
    """Remove the pods that specs which failed, or do not clean up, have left; their names."""
    async with Client(socket) as client:
        pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        for pod in pods:
            await client.runtime.RemovePodSandbox(
                api.RemovePodSandboxRequest(pod_sandbox_id=pod.id)
            )
    return [pod.metadata.name for pod in pods]


def _settings(combination: Combination, mirror: Mirror) -> dict[str, str]:
    settings = {
        "image.registries_conf": str(mirror.registries_conf),
        "runtime": combination.runtime,
    }
    if combination.binary:
        settings[f"runtimes.{combination.runtime}.path"] = combination.binary
    return settings


def _versions(combination: Combination, suite: Suite) -> dict[str, str]:
    return {
        "cri-shim": f"{cri_shim.__version__} at {_commit()}",
        "critest": suite.version,
        combination.runtime: combination.version,
        "conmon": tools.version("conmon"),
        "Linux": os.uname().release.partition("-")[0],
    }


def _commit() -> str:
    """The commit that is run, with a plus for changes on top of it."""
    git = ["git", "describe", "--always", "--dirty=+", "--match=v[0-9]*"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def _critest(combination: Combination, suite: Suite, daemon: Daemon) -> str:
    """ginkgo's JSON report of one run; the suite's words go beside the instance's log."""
    # critest's own temporary files, and below its --parallel the report, land in TMPDIR.
    temporary = daemon.directory / TEMPORARY
    temporary.mkdir()
    with (suite.logs / f"{combination.file_name}.critest.log").open("wb") as words:
        done = subprocess.run(
            arguments(combination, suite, daemon.socket),
            cwd=temporary,
            env=_environment(combination, temporary),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            check=False,
        )
    reports = [*temporary.glob("report.json"), *temporary.glob("cri-test*/report.json")]
    if not reports:
        raise RuntimeError(f"critest ended with {done.returncode} and without a report")
    return reports[0].read_text()


def arguments(combination: Combination, suite: Suite, socket: Path) -> list[str]:
    """The command line."""
    words = [str(suite.critest), "--runtime-endpoint", f"unix://{socket}"]
    if combination.websocket:
        words += [f"--websocket-{stream}" for stream in _STREAMS]
    if combination.parallel > 1:
        words.append(f"--parallel={combination.parallel}")
    words += [f"--ginkgo.focus={pattern}" for pattern in suite.focus]
    words += [f"--ginkgo.skip={pattern}" for pattern in suite.skip]
    return [
        *words,
        "--ginkgo.no-color",
        f"--ginkgo.timeout={SUITE_LIMIT}",
        "--ginkgo.json-report=report.json",
    ]


def _environment(combination: Combination, temporary: Path) -> dict[str, str]:
    """Ours without proxies, which would take the requests that specs send to pods."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    env["TMPDIR"] = str(temporary)
    if combination.parallel > 1:
        env["PATH"] = f"{tools.ginkgo().parent}:{env['PATH']}"
    return env
