"""One combination: a private instance with one default OCI runtime, and critest against it."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.critestlib import instance, segments, tools
from hack.critestlib.mirror import Mirror
from hack.critestlib.outcome import Outcome, read_specs
from tests.fixtures.daemon import Daemon

SUITE_LIMIT = "20m"
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
    """Return the name of the files of a combination's run, without suffix."""
    return title.replace(",", "").replace(" ", "-").lower()


@dataclass(frozen=True, slots=True)
class Suite:
    """critest and its selection. `logs` is the directory of its output and the instance's log."""

    critest: Path
    version: str
    exchanged_digest: bool
    logs: Path
    focus: Sequence[str] = ()
    skip: Sequence[str] = ()


def run(combination: Combination, suite: Suite, mirror: Mirror) -> Outcome:
    """Run the suite; RuntimeError if it writes no report."""
    started = time.monotonic()
    log = suite.logs / f"{combination.file_name}.daemon.log"
    with instance.private(combination.runtime, combination.binary, mirror, log) as daemon:
        features = instance.features(daemon)
        with segments.swept():
            report = _critest(combination, suite, daemon)
        abandoned, traces = instance.left_on(daemon)
    return Outcome(
        combination=combination.title,
        date=instance.today(),
        versions=instance.versions(
            critest=suite.version, **{combination.runtime: combination.version}
        ),
        exchanged_digest=suite.exchanged_digest,
        seconds=round(time.monotonic() - started, 1),
        specs=read_specs(report),
        abandoned=abandoned,
        traces=traces,
        features={combination.label: features},
    )


def _critest(combination: Combination, suite: Suite, daemon: Daemon) -> str:
    """Return ginkgo's JSON report of one run; the suite's output goes beside the instance's log."""
    # critest writes its temporary files, and with --parallel the report, to TMPDIR.
    temporary = instance.temporary(daemon)
    with (suite.logs / f"{combination.file_name}.critest.log").open("wb") as words:
        done = subprocess.run(
            arguments(combination, suite, daemon.socket, instance.nri_socket(daemon)),
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


def arguments(combination: Combination, suite: Suite, socket: Path, nri: Path) -> list[str]:
    """Return the command line; `nri` is the socket of NRI plugins."""
    words = [str(suite.critest), "--runtime-endpoint", f"unix://{socket}", f"--nri-socket={nri}"]
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
    env = instance.environment(temporary)
    if combination.parallel > 1:
        env["PATH"] = f"{tools.ginkgo().parent}:{env['PATH']}"
    return env
