"""hack/node-e2e: the files of the runtimes, and the command line of the suite."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hack.clusterlib.place import Place
from hack.nodee2elib.groups import Group
from hack.nodee2elib.machine import HANDLER
from hack.nodee2elib.runtimes import RUNTIMES
from hack.nodee2elib.suite import Selection, command, read

OCI = "/usr/bin/crun"


def place_in(directory: Path) -> Place:
    (directory / "net.d").mkdir()
    return Place(directory, directory / "programs")


@pytest.mark.large
def test_cri_shim_takes_the_configuration_that_is_written_for_it(tmp_path: Path):
    RUNTIMES["cri-shim"].configure(place_in(tmp_path), OCI)

    check = ["-m", "cri_shim", "--config", str(tmp_path / "cri-shim.toml"), "config", "--check"]
    done = subprocess.run([sys.executable, *check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_containerd_has_both_handlers_with_the_same_oci_runtime(tmp_path: Path):
    RUNTIMES["containerd"].configure(place_in(tmp_path), OCI)

    plugins = tomllib.loads((tmp_path / "containerd.toml").read_text())["plugins"]
    handlers = plugins["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
    assert {name: h["options"]["BinaryName"] for name, h in handlers.items()} == {
        "default": OCI,
        HANDLER: OCI,
    }


def test_the_suite_gets_the_group_s_filter_and_gates_and_the_proxy(tmp_path: Path):
    group = Group("g", "G", "Slow", focus=("one",), gates={"A": True, "B": False}, proxy=True)

    words = command(place_in(tmp_path), Selection(group, 4, tmp_path))

    ours, theirs = words[: words.index("--")], words[words.index("--") :]
    assert {"--procs=4", "--label-filter=Slow", "--focus=one"} <= set(ours)
    assert {"--feature-gates=A=true,B=false", "--cri-proxy-enabled"} <= set(theirs)


def test_a_focus_of_the_caller_replaces_the_groups(tmp_path: Path):
    group = Group("g", "G", "Slow", focus=("one",))

    words = command(place_in(tmp_path), Selection(group, 4, tmp_path, focus=("two",)))

    assert "--focus=two" in words
    assert "--focus=one" not in words


def test_a_spec_that_the_end_of_the_run_cut_short_is_not_decided():
    def entry(name: str, state: str, **more: object) -> dict[str, object]:
        spec = {"LeafNodeType": "It", "LeafNodeText": name, "ContainerHierarchyTexts": None}
        return {**spec, "State": state, "RunTime": 0, **more}

    late = {"Message": "A suite timeout occurred", "Location": {"FileName": "f", "LineNumber": 1}}
    entries = [entry("a", "passed"), entry("b", "interrupted"), entry("c", "skipped")]
    entries.append(entry("d", "timedout", Failure=late))
    suites = [{"PreRunStats": {"SpecsThatWillRun": 4}, "SpecReports": entries}]

    specs, selected = read(json.dumps(suites))

    assert [(spec.name, spec.state) for spec in specs] == [("a", "pass")]
    assert selected == 4
