"""`cri-shim hooks`, and a daemon that is to fail when its hooks are wrong."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, container_config, pod_config

LIMIT_S = 60.0


async def hooks(cri: Cri, *words: str) -> child.Finished:
    config = str(cri.daemon.directory / "config.toml")
    command = [sys.executable, "-m", "cri_shim", "--config", config]
    command += ["--socket", str(cri.daemon.socket), "hooks", *words]
    return await child.run(command, timeout=LIMIT_S)


async def test_hooks_lists_the_hooks_and_names_bad_files(cri: Cri, hooks_d: Any) -> None:
    hooks_d.define("b", "prestart", "")
    hooks_d.define("A", "poststop", "")
    (hooks_d.directory / "bad.json").write_text("{}")
    done = await hooks(cri)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert lines == [
        ["NAME", "STAGES", "PROGRAM", "FILE"],
        ["A.json", "poststop", f"{hooks_d.programs}/A", f"{hooks_d.directory}/A.json"],
        ["b.json", "prestart", f"{hooks_d.programs}/b", f"{hooks_d.directory}/b.json"],
    ]
    assert f"warning: hook {hooks_d.directory}/bad.json is not used: " in done.stderr.decode()
    assert done.returncode == 0
    told = json.loads((await cri.control.Info(control.InfoRequest())).json)["hooks"]
    assert told["names"] == ["A.json", "b.json"]
    assert [problem.split(":")[0] for problem in told["problems"]] == [
        f"hook {hooks_d.directory}/bad.json is not used"
    ]


async def test_hooks_shows_the_hooks_that_match_a_container(cri: Cri, hooks_d: Any) -> None:
    hooks_d.define("pod", "prestart", "", when={"annotations": {"^example/hook$": "yes"}})
    hooks_d.define("sh", "prestart", "", when={"commands": ["^sh$"]})
    pod = await cri.run_pod(pod_config(cri.daemon, annotations={"example/hook": "yes"}))
    container = await cri.create(pod, container_config(["sleep", "60"]))
    done = await hooks(cri, container[:12])
    assert [line.split()[:2] for line in done.stdout.decode().splitlines()] == [
        ["NAME", "MATCHES"],
        ["pod.json", "yes"],
        ["sh.json", "no"],
    ]
    told = json.loads((await hooks(cri, "--json", container)).stdout)
    assert [(hook["name"], hook["matches"]) for hook in told["hooks"]] == [
        ("pod.json", True),
        ("sh.json", False),
    ]
    assert told["hooks"][0]["when"] == {"annotations": [["^example/hook$", "yes"]]}


async def test_hooks_of_an_unknown_container_is_a_sentence(cri: Cri) -> None:
    done = await hooks(cri, "none")
    assert (done.returncode, done.stderr.startswith(b"cri-shim: ")) == (4, True)


@pytest.mark.parametrize(
    ("setting", "directory", "problem"),
    [
        ("hooks_dir_not_exist_fatal", "none", "does not exist; make it, or set"),
        ("hooks_bad_file_fatal", "d", "bad.json is not used: is not JSON"),
    ],
)
async def test_a_daemon_whose_hooks_are_wrong_does_not_start_where_that_is_fatal(
    tmp_path: Path, setting: str, directory: str, problem: str
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.json").touch()
    root, run = str(tmp_path / "root"), str(tmp_path / "run")
    command = [sys.executable, "-m", "cri_shim", "--root", root, "--run-root", run]
    command += ["--set", f'hooks_dir="{tmp_path}/{directory}"', "--set", f"{setting}=true", "serve"]
    done = await child.run(command, timeout=LIMIT_S)
    assert done.returncode == 1
    assert problem in done.stderr.decode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]
