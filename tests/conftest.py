"""For every test: the leak sentry, and only expected skips.

A test that leaves a task, child process, open file, mount, network namespace, cgroup or directory
behind fails, even if all it asserts holds. What fixtures of a wider scope hold is not a test's own.
"""

import re
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.sentry.leaks import Scope, Tasks, left_behind, snapshot

# Examples of each property: hack/check chooses "commit". A machine may be slow, so no deadline.
hypothesis.settings.register_profile("commit", max_examples=20, deadline=None)
hypothesis.settings.register_profile("whole", max_examples=100, deadline=None)
hypothesis.settings.load_profile("whole")

# A test may only be skipped for one of these reasons: pattern -> why it cannot be helped.
EXPECTED_SKIPS: dict[str, str] = {
    r"needs systemd": "the systemd cgroup driver needs systemd as pid 1",
    r"needs a virtual machine": "it is rebooted, and its power is cut",
    r"needs PIDFD_GET_INFO": "Linux 6.15 and later",
    r"needs control groups v1": "what no other version does",
    r"needs a kernel with huge pages": "user-mode Linux has none",
    r"needs EROFS": "the kernel of user-mode Linux has none",
    r"needs fsck.erofs": "erofs-utils is not among the packages of every machine",
    r"needs idmapped mounts": "depends on kernel and file system",
    r"needs a node without AppArmor": "the refusals of one that has none",
    r"needs git": "a version is that of a tag",
    r"needs crictl": "cri-tools are not packaged by Debian",
    r"needs critest": "cri-tools are not packaged by Debian",
    r"needs a machine without dockerd": "the refusal of one that cannot have it",
    r"needs a cluster": "hack/cluster test runs these inside a Kubernetes node",
    r"needs go": "the clients of kubectl are Go programs",
    r"needs NRI_SOURCE": "NRI's plugins are not published as Go modules",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole-machine",
        action="store_true",
        help="the run has the machine to itself: whatever is left anywhere is a leak",
    )
    parser.addoption(
        "--leak-patience",
        type=float,
        default=3.0,
        help="seconds that what is just ending is given (default 3)",
    )


def _scope(request: pytest.FixtureRequest, *, machine: bool, whole: bool = False) -> Scope:
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    patience = float(request.config.getoption("--leak-patience"))
    return Scope(str(factory.getbasetemp()), machine, whole, patience)


@pytest.fixture(scope="session")
def grpc_engine() -> Iterator[None]:
    """Keep gRPC's engine running: between two tests it ends late, and holds sockets till then."""
    if "grpc" not in sys.modules:
        yield
        return
    from grpc._cython import cygrpc  # type: ignore[attr-defined]

    cygrpc.init_grpc_aio()
    yield
    cygrpc.shutdown_grpc_aio()


@pytest.fixture(scope="session")
def watched_tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    tasks.watch()
    yield tasks
    tasks.unwatch()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_by_the_session(
    request: pytest.FixtureRequest, watched_tasks: Tasks, grpc_engine: None
) -> Iterator[None]:
    """For what fixtures of module and session scope leave, and what only a whole machine shows:
    a daemon that serves many tests makes its bridge and its cgroups in the first of them.
    """
    whole = bool(request.config.getoption("--whole-machine"))
    scope = _scope(request, machine=True, whole=whole)
    before = snapshot(scope)
    yield
    if left := left_behind(before, scope) + watched_tasks.take():
        pytest.fail("the session left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest, watched_tasks: Tasks) -> Iterator[None]:
    """Autouse fixtures come first, so this one looks after all others have cleaned up."""
    scope = _scope(request, machine="/tests/unit/" not in str(request.path))
    watched_tasks.take()
    before = snapshot(scope)
    yield
    if left := left_behind(before, scope) + watched_tasks.take():
        pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None] | pytest.TestReport:
    report: pytest.TestReport = yield  # type: ignore[assignment, misc]
    _refuse_unexpected_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Iterator[None] | pytest.CollectReport:
    report: pytest.CollectReport = yield  # type: ignore[assignment, misc]
    _refuse_unexpected_skip(report)
    return report


def _refuse_unexpected_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(re.search(pattern, reason) for pattern in EXPECTED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"{reason}\n(not among EXPECTED_SKIPS of tests/conftest.py)"
