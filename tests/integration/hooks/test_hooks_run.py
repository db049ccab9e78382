"""OCI hooks as crun and runc really run them: programs that leave notes."""

import json
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.host import processes, until

STATE = 'cat > "$NOTES/$(basename "$0")"'  # what the OCI runtime says on standard input
HOST_STAGES = ["prestart", "createRuntime", "poststart", "poststop"]


@pytest.mark.parametrize("stage", HOST_STAGES)
async def test_a_hook_of_each_stage_runs_and_gets_the_state_of_its_container(
    cri: Cri, hooks_d: Any, handler: str, stage: str
) -> None:
    hooks_d.define("noting", stage, STATE)
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    await cri.remove(container)
    told = json.loads(hooks_d.note("noting"))
    assert told["id"] == container
    assert told["bundle"] == str(cri.daemon.run_root / "containers" / container)
    assert told["annotations"]["io.kubernetes.cri.sandbox-id"] == pod


async def test_a_poststop_hook_runs_when_the_container_ends_by_itself(
    cri: Cri, hooks_d: Any, handler: str
) -> None:
    hooks_d.define("noting", "poststop", STATE)
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["true"])
    await cri.exited(container)
    note: Path = hooks_d.notes / "noting"
    await until(note.exists)


async def test_create_container_and_start_container_hooks_run_inside(
    cri: Cri, hooks_d: Any, handler: str
) -> None:
    hooks_d.define(
        "in-namespaces", "createContainer", 'readlink /proc/self/ns/mnt > "$NOTES/inside"'
    )
    hooks_d.define("in-root", "startContainer", "")
    definition = json.loads((hooks_d.directory / "in-root.json").read_text())
    definition["hook"] = {"path": "/bin/touch", "args": ["touch", "/made-by-a-hook"]}
    (hooks_d.directory / "in-root.json").write_text(json.dumps(definition))
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"])
    assert await cri.sh(container, "ls /made-by-a-hook") == "/made-by-a-hook\n"
    assert hooks_d.note("inside") != str(Path("/proc/self/ns/mnt").readlink()) + "\n"


async def test_arguments_environment_and_order_are_as_defined(
    cri: Cri, hooks_d: Any, handler: str
) -> None:
    line = 'echo "$0 $1 $WHO" >> "$NOTES/order"'
    hooks_d.define("B", "prestart", line, hook={"args": ["hook", "second"], "env": ["WHO=b"]})
    hooks_d.define("a", "prestart", line, hook={"args": ["hook", "first"], "env": ["WHO=a"]})
    pod = await cri.run_pod(handler=handler)
    await cri.run(pod, ["true"])
    words = [said.split()[1:] for said in hooks_d.note("order").splitlines()]
    assert words == [["first", "a"], ["second", "b"]]


async def test_only_matching_containers_have_a_hook(cri: Cri, hooks_d: Any) -> None:
    mark = {"when": {"annotations": {"^example/hook$": "^yes$"}, "commands": ["sleep$"]}}
    hooks_d.define("noting", "prestart", STATE, **mark)
    config = pod_config(cri.daemon, annotations={"example/hook": "yes"})
    marked, plain = await cri.run_pod(config), await cri.run_pod()
    ids = [
        await cri.create(marked, container_config(["sleep", "60"])),
        await cri.create(marked, container_config(["true"], "other")),
        await cri.create(plain, container_config(["sleep", "60"])),
    ]
    documents = [(await cri.info(id))["runtimeSpec"] for id in ids]
    assert ["hooks" in document for document in documents] == [True, False, False]


async def test_a_hook_for_bind_mounts_is_for_those_that_ask_for_some(
    cri: Cri, hooks_d: Any, tmp_path: Path
) -> None:
    old = {"hook": str(hooks_d.program("p", STATE)), "stage": ["prestart"], "hasbindmounts": True}
    (hooks_d.directory / "p.json").write_text(json.dumps(old))
    pod = await cri.run_pod()
    mount = api.Mount(container_path="/m", host_path=str(tmp_path))
    with_mount = await cri.create(pod, container_config(["true"], "with", mounts=[mount]))
    without = await cri.create(pod, container_config(["true"], "without"))
    assert "hooks" in (await cri.info(with_mount))["runtimeSpec"]
    assert "hooks" not in (await cri.info(without))["runtimeSpec"]


async def test_a_hook_that_fails_before_the_start_fails_the_container_and_leaves_nothing(
    cri: Cri, hooks_d: Any, handler: str
) -> None:
    hooks_d.define("failing", "createRuntime", "echo no luck >&2; exit 3")
    pod = await cri.run_pod(handler=handler)
    container = await cri.create(pod, container_config(["sleep", "60"]))
    with pytest.raises(CriShimError):
        await cri.start(container)
    status = await cri.status(container)
    assert (status.state, status.reason, status.exit_code) == (
        api.CONTAINER_EXITED, "StartError", 128,
    )  # fmt: skip


async def test_a_precreate_hook_may_change_the_document(
    cri: Cri, hooks_d: Any, handler: str
) -> None:
    edit = 'sed "s/sleep-a-while/sleep/; s/\\"HOSTNAME=[^\\"]*\\"/\\"EDITED=1\\"/"'
    hooks_d.define("editing", "precreate", edit)
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep-a-while", "60"])
    assert await cri.sh(container, "echo $EDITED") == "1\n"


async def test_precreate_hooks_get_the_output_of_the_previous_one(cri: Cri, hooks_d: Any) -> None:
    hooks_d.define("1", "precreate", "sed s/one/two/")
    hooks_d.define("2", "precreate", "sed s/two/three/")
    container = await cri.create(await cri.run_pod(), container_config(["one"]))
    assert (await cri.info(container))["runtimeSpec"]["process"]["args"] == ["three"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo no luck >&2; exit 3", "no luck"),
        ("exit 0", "Expecting value"),
        ("echo '{}'", "the document it wrote has no process"),
        ("sed 's/cgroupsPath/elsewhere/'", r"it changed linux\.cgroupsPath"),
        ("kill -9 $$", "exit status -9"),
    ],
)
async def test_a_precreate_hook_that_fails_is_named_and_no_container_is_made(
    cri: Cri, hooks_d: Any, script: str, problem: str
) -> None:
    hooks_d.define("failing", "precreate", script)
    pod = await cri.run_pod()
    with pytest.raises(ToolFailed, match=rf"precreate hook .*/failing\.json: .*{problem}"):
        await cri.create(pod, container_config(["true"]))
    assert await cri.containers() == []


async def test_a_precreate_hook_that_hangs_is_killed_with_its_processes(
    cri: Cri, hooks_d: Any
) -> None:
    hooks_d.define("hanging", "precreate", "sleep 98765 & sleep 98765", hook={"timeout": 1})
    pod = await cri.run_pod()
    with pytest.raises(ToolFailed, match=r"hanging did not end within 1 s and was killed"):
        await cri.create(pod, container_config(["true"]))
    await until(lambda: not processes("sleep", "98765"))


async def test_a_hook_added_removed_or_broken_counts_from_the_next_container_on(
    cri: Cri, hooks_d: Any
) -> None:
    pod = await cri.run_pod()
    seen = []
    for number, text in enumerate((None, "{", "")):
        hooks_d.define("noting", "prestart", STATE)
        file: Path = hooks_d.directory / "noting.json"
        file.write_text(file.read_text() if text is None else text)
        container = await cri.create(pod, container_config(["true"], str(number)))
        seen.append("hooks" in (await cri.info(container))["runtimeSpec"])
    assert seen == [True, False, False]
    assert cri.daemon.log.read_text().count("noting.json is not used: ") >= 2
