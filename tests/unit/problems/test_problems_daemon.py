"""The OCI runtimes and the pod network of a daemon, as findings."""

from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.network.driver import NOT_READY, TURNED_OFF, Networks, NetworkStatus
from cri_shim.oci.handlers import Handler
from cri_shim.problems import Finding, Level, daemon

NOWHERE = Path()
CRUN = Handler("crun", Path("/usr/bin/crun"), NOWHERE, NOWHERE, "crun version 1.8.1")
RUNC = Handler("runc", Path("/usr/bin/runc"), NOWHERE, NOWHERE, "runc version 1.1.5")
NO_CRUN = Handler("crun", NOWHERE, NOWHERE, NOWHERE, problem="no OCI runtime found; tried: /x")
NO_RUNC = Handler("runc", NOWHERE, NOWHERE, NOWHERE, problem="no OCI runtime found; tried: /y")


def _found(*handlers: Handler, default: str, config: Config | None = None) -> dict[str, Finding]:
    named = {handler.name: handler for handler in handlers}
    findings = daemon.runtimes(named, default, config or Config())
    return {each.what: each for each in findings}


def test_a_runtime_that_is_not_installed_beside_the_default_is_no_problem() -> None:
    found = _found(replace(CRUN, userns_problem=""), NO_RUNC, default="crun")
    assert {each.level for each in found.values()} == {Level.OK}
    assert found["OCI runtime crun"].sentence == "crun 1.8.1 at /usr/bin/crun, the default"


def test_a_default_in_place_of_a_missing_one_is_a_note() -> None:
    found = _found(NO_CRUN, replace(RUNC, userns_problem=""), default="runc")["OCI runtime crun"]
    assert found.level is Level.NOTE
    assert found.sentence.startswith("the default OCI runtime is runc 1.1.5 in place of crun: no ")
    assert found.package == "crun"


def test_a_broken_runtime_is_a_warning() -> None:
    broken = replace(CRUN, problem="crun: cannot load libyajl")
    found = _found(broken, replace(RUNC, userns_problem=""), default="runc")["OCI runtime crun"]
    assert (found.level, "cannot load libyajl" in found.text) == (Level.WARNING, True)


def test_a_node_without_a_working_runtime_fails_with_each_reason() -> None:
    (found,) = _found(NO_CRUN, NO_RUNC, default="crun").values()
    assert found.level is Level.FAILS
    assert "crun: no OCI runtime found; tried: /x; runc: " in found.sentence
    assert found.key == "runtimes.crun.path"


def test_a_chosen_default_that_does_not_work_fails_although_another_one_works() -> None:
    config = Config(default_runtime="crun")
    found = _found(NO_CRUN, RUNC, default="crun", config=config)
    assert found[daemon.OCI_RUNTIME].level is Level.FAILS
    assert found["OCI runtime runc"].level is Level.OK


def test_a_missing_plugin_of_the_network_names_its_package() -> None:
    message = "x: CNI plugin bridge is not installed (looked in /nope)"
    status = NetworkStatus(False, "NetworkPluginNotReady", message)
    found, *_ = daemon.network(status, Networks("", [], [message]), False)
    assert (found.level, found.sentence) == (Level.FAILS, message)
    assert found.package
    assert found.key == "cni_plugin_dir"


@pytest.mark.parametrize(
    ("reason", "level"), [(TURNED_OFF, Level.NOTE), (NOT_READY, Level.WARNING)]
)
def test_a_pod_network_that_the_user_turned_off_is_only_a_note(reason: str, level: Level) -> None:
    status = NetworkStatus(False, reason, "pods have the node's network, or the loopback")
    (found,) = daemon.network(status, Networks("", [], []), True)
    assert found.level is level


def test_a_problem_of_a_network_file_is_told_once() -> None:
    status = NetworkStatus(True, "", "", ("watching by polling only",))
    networks = Networks("net", [], ["a.conflist: not JSON"])
    found = [each.text for each in daemon.network(status, networks, False)]
    expected = "CNI configuration not used: a.conflist: not JSON"
    assert found == ["net", "watching by polling only", expected]
