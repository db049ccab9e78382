"""The kubelet and cri-shim are killed under load: no container restarts, no exit code is lost."""

from typing import Any

import pytest

from tests.cluster.kubectl import Namespace, Object, condition, container, eventually, kill, pod

PODS = 8


def facts(found: Object) -> tuple[str, str, int, str]:
    main = container(found)
    started = main["state"].get("running", {}).get("startedAt", "")
    return found["metadata"]["uid"], main["containerID"], main["restartCount"], started


@pytest.mark.parametrize("program", ["cri-shim", "kubelet"])
def test_running_pods_outlive_a_kill(ns: Namespace, program: str) -> None:
    names = [f"p{n}" for n in range(PODS)]
    ns.apply(*(pod(name, restartPolicy="Always") for name in names))
    before = {name: facts(ns.until_ready(name)) for name in names}
    for _ in range(3):
        kill(ns.place, program)
        eventually(lambda: node_is_ready(ns))
    late = ns.finish(pod("late", "echo late"))
    assert late == "late\n"
    assert {name: facts(ns.until_ready(name)) for name in names} == before
    assert ns.exec("p0", "echo", "still").strip() == "still"


def node_is_ready(ns: Namespace) -> bool:
    return condition(ns.get("node", "node"), "Ready") == "True"


def test_exit_codes_of_containers_that_end_while_cri_shim_is_dead_are_kept(ns: Namespace) -> None:
    names = {f"e{code}": code for code in (0, 3, 42)}
    for name, code in names.items():
        ns.apply(pod(name, f"while ! test -e /v/go; do sleep 0.05; done; exit {code}", **go(ns)))
    for name in names:
        ns.until_ready(name)
    (ns.place / "go" / ns.name / "go").touch()
    kill(ns.place, "cri-shim")
    for name, code in names.items():
        found = ns.until(name, lambda p: p["status"]["phase"] in ("Succeeded", "Failed"))
        assert container(found)["state"]["terminated"]["exitCode"] == code


def go(ns: Namespace) -> dict[str, Any]:
    directory = ns.place / "go" / ns.name
    directory.mkdir(parents=True, exist_ok=True)
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    return {"main": mount, "volumes": [{"name": "v", "hostPath": {"path": str(directory)}}]}


def test_pods_that_start_while_cri_shim_is_killed_get_ready(ns: Namespace) -> None:
    names = [f"p{n}" for n in range(PODS)]
    ns.apply(*(pod(name, restartPolicy="Always") for name in names))
    for _ in range(3):
        kill(ns.place, "cri-shim")
    for name in names:
        ns.until_ready(name)
    ns.run("delete", "pods", "--all", "--wait=false")
    kill(ns.place, "cri-shim")
    eventually(lambda: not ns.items("pods"))
