"""The kubelet and cri-shim are killed under load: no container restarts, no exit code is lost."""

from typing import Any

import pytest

from tests.cluster.kubectl import (
    MOUNT,
    Namespace,
    Object,
    container,
    eventually,
    kill,
    pod,
    volume,
)

PODS = 8
JOBS = 12


def facts(found: Object) -> tuple[str, str, int, str]:
    main = container(found)
    started = main["state"].get("running", {}).get("startedAt", "")
    return found["metadata"]["uid"], main["containerID"], main["restartCount"], started


@pytest.mark.parametrize("programs", [("cri-shim",), ("kubelet",), ("kubelet", "cri-shim")])
def test_running_pods_outlive_a_kill(ns: Namespace, programs: tuple[str, ...]) -> None:
    names = [f"p{n}" for n in range(PODS)]
    ns.apply(*(pod(name, restartPolicy="Always") for name in names))
    before = {name: facts(ns.until_ready(name)) for name in names}
    ns.apply(job(ns))
    for _ in range(3):
        for program in programs:
            kill(ns.place, program)
        eventually(lambda: ns.exec("p0", "echo", "here") == "here\n")
    late = ns.finish(pod("late", "echo late"))
    assert late == "late\n"
    assert {name: facts(ns.until_ready(name)) for name in names} == before
    ns.run("wait", "job/load", "--for=condition=complete", "--timeout=120s", limit=130)
    assert_all_succeeded_once(ns)


def job(ns: Namespace) -> Object:
    """Pods that start and end all the time, each with a log; one that fails is not replaced."""
    script = "hostname >> /v/began; for i in $(seq 20); do echo $i; usleep 100000; done"
    template = {"spec": pod("x", script, **go(ns))["spec"], "metadata": {"labels": {"app": "load"}}}
    spec = {"completions": JOBS, "parallelism": 4, "backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load"}, "spec": spec}


def assert_all_succeeded_once(ns: Namespace) -> None:
    """A kubelet that is killed between the creation of a container and its start makes another one
    and counts it as a restart; so the starts of the program are counted.
    """
    ended = {found["metadata"]["name"]: container(found) for found in ns.items("pods", "app=load")}
    began = (ns.directory() / "began").read_text().split()
    assert sorted(began) == sorted(ended)
    assert len(ended) == JOBS
    for name, main in ended.items():
        assert main["state"]["terminated"]["exitCode"] == 0
        assert ns.logs(name).split() == [str(n) for n in range(1, 21)]


@pytest.mark.bounded
@pytest.mark.parametrize("program", ["cri-shim", "kubelet"])
def test_exit_codes_of_containers_that_end_while_a_program_is_dead_are_kept(
    ns: Namespace, program: str
) -> None:
    names = {f"e{code}": code for code in (0, 3, 42)}
    for name, code in names.items():
        ns.apply(pod(name, f"while ! test -e /v/go; do sleep 0.05; done; exit {code}", **go(ns)))
    for name in names:
        ns.until_ready(name)
    (ns.directory() / "go").touch()
    kill(ns.place, program)
    for name, code in names.items():
        found = ns.until(name, lambda p: p["status"]["phase"] in ("Succeeded", "Failed"))
        assert container(found)["state"]["terminated"]["exitCode"] == code


def go(ns: Namespace) -> dict[str, Any]:
    volumes = volume(hostPath={"path": str(ns.directory())})
    return {"main": MOUNT, "volumes": volumes}


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
