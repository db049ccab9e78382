"""crictl's own tests: they run the real crictl against an instance, as an operator would."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hack.critestlib import instance, tools
from hack.critestlib.mirror import Mirror
from hack.critestlib.outcome import Outcome, read_specs
from hack.critestlib.run import file_name
from tests.fixtures.daemon import Daemon

SUITE_LIMIT = "10m"


@dataclass(frozen=True, slots=True)
class Suite:
    """The test program and the crictl that it starts. `logs` is the directory of its output."""

    program: Path
    crictl: Path
    exchanged_digest: bool
    logs: Path


def suite(source: str | None, digest: str, directory: Path, logs: Path) -> Suite | None:
    """Return the suite; None if there is no crictl, or neither the program nor its `source`.

    `directory` gets a copy of the program, which is run.
    """
    program, crictl = tools.crictl_tests(source), tools.named("CRICTL", "crictl")
    if program is None or crictl is None:
        return None
    copy = directory / "crictl-e2e"
    return Suite(copy, crictl, tools.with_digest(program, digest, copy), logs)


def run(runtime: str, suite: Suite, mirror: Mirror) -> Outcome:
    """Run the tests against an instance whose default is `runtime`, crun or runc."""
    started = time.monotonic()
    version = tools.version(runtime)
    title = f"crictl, {runtime} {version}"
    log = suite.logs / f"{file_name(title)}.daemon.log"
    with instance.private(runtime, "", mirror, log) as daemon:
        report = _tests(suite, daemon, suite.logs / f"{file_name(title)}.log")
        abandoned, traces = instance.left_on(daemon)
    return Outcome(
        combination=title,
        date=instance.today(),
        versions=instance.versions(crictl=tools.version_or_sum(suite.crictl), **{runtime: version}),
        exchanged_digest=suite.exchanged_digest,
        seconds=round(time.monotonic() - started, 1),
        specs=read_specs(report),
        abandoned=abandoned,
        traces=traces,
        suite="crictl",
    )


def _tests(suite: Suite, daemon: Daemon, words: Path) -> str:
    """Run the tests; return ginkgo's JSON report."""
    temporary = instance.temporary(daemon)
    config = daemon.directory / "crictl.yaml"  # without it crictl warns, and tests expect no output
    config.write_text(f"runtime-endpoint: unix://{daemon.socket}\n")
    command = [
        str(suite.program),
        f"-crictl-binary-path={suite.crictl}",
        f"-crictl-runtime-endpoint=unix://{daemon.socket}",
        "--ginkgo.no-color",
        f"--ginkgo.timeout={SUITE_LIMIT}",
        "--ginkgo.json-report=report.json",
    ]
    with words.open("wb") as out:
        done = subprocess.run(
            command,
            cwd=temporary,
            env=instance.environment(temporary) | {"CRI_CONFIG_FILE": str(config)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    report = temporary / "report.json"
    if not report.exists():
        raise RuntimeError(f"crictl's tests ended with {done.returncode} and without a report")
    return report.read_text()
