"""The field's own suites, where they are at hand: every spec that does not skip itself passes.

`hack/critest` runs them too, in more ways, and writes docs/conformance.md.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.critestlib import crictl, images, mirror, tools
from hack.critestlib.run import Combination, Suite, run
from tests.fixtures.daemon import Daemon


@pytest.fixture
def daemon() -> Daemon:
    raise AssertionError("each run of the suite has an instance of its own")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mirror.Mirror]:
    """The suites' images; they are made once for all runs."""
    if not (tools.named("CRITEST", "critest") or tools.named("CRICTL", "crictl")):
        pytest.skip("needs critest or crictl: set CRITEST or CRICTL, or put them on PATH")
    directory = tmp_path_factory.mktemp("critest")
    with mirror.serving(images.build(directory / "packages"), directory) as running:
        yield running


@pytest.fixture
def suite(served: mirror.Mirror, tmp_path: Path) -> Suite:
    if tools.named("CRITEST", "critest") is None:
        pytest.skip("needs critest: set CRITEST to it, or put it on PATH")
    copy = tmp_path / "critest"
    exchanged = tools.with_digest(tools.critest(), served.digest, copy)
    return Suite(copy, tools.version(copy), exchanged, tmp_path)


@pytest.mark.parametrize("websocket", [False, True], ids=["SPDY", "WebSocket"])
def test_critest_passes(served: mirror.Mirror, suite: Suite, handler: str, websocket: bool) -> None:
    processes = 4 if tools.named("GINKGO", "ginkgo") or shutil.which("go") else 1

    outcome = run(Combination(handler, "", websocket, processes), suite, served)

    assert [(s.name, s.reason) for s in outcome.specs if s.state == "fail"] == []
    assert list(outcome.traces) == []
    assert outcome.count("pass") > 100


def test_crictls_own_tests_pass(served: mirror.Mirror, tmp_path: Path, handler: str) -> None:
    suite = crictl.suite(None, served.digest, tmp_path, tmp_path)
    if suite is None:
        pytest.skip("needs crictl and its own tests: CRICTL_E2E, or a tree as CRI_TOOLS_SOURCE")

    outcome = crictl.run(handler, suite, served)

    assert [(s.name, s.reason) for s in outcome.specs if s.state != "pass"] == []
    assert list(outcome.traces) == []
    assert outcome.count("pass") > 30
