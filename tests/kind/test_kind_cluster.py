"""Two nodes that kind made: pods on both, a killed daemon, a drain, a restarted node."""

from pathlib import Path

import pytest

from tests.cluster.kubectl import Namespace, Object, condition, container, eventually, kubectl, pod
from tests.kind.conftest import BUSYBOX
from tests.kind.nodes import daemon, on, pods, run
from tests.kind.workloads import ask, deployment, rolled_out

CONTROL_PLANE = "kind-control-plane"
WORKER = "kind-worker"


def nodes(ns: Namespace) -> dict[str, Object]:
    return {node["metadata"]["name"]: node for node in ns.items("nodes")}


def is_ready(ns: Namespace, node: str) -> bool:
    return condition(ns.get("node", node), "Ready") == "True"


def by_node(found: list[Object]) -> dict[str, list[Object]]:
    names = {p["spec"]["nodeName"] for p in found}
    return {name: [p for p in found if p["spec"]["nodeName"] == name] for name in names}


def test_both_nodes_are_ready_on_cri_shim(ns: Namespace) -> None:
    eventually(lambda: all(is_ready(ns, node) for node in (CONTROL_PLANE, WORKER)))
    facts = {name: node["status"]["nodeInfo"] for name, node in nodes(ns).items()}
    assert set(facts) == {CONTROL_PLANE, WORKER}
    for fact in facts.values():
        assert fact["containerRuntimeVersion"].startswith("cri-shim://")
    for name in ("kube-proxy", "node-network"):
        status = ["rollout", "status", f"daemonset/{name}", "--timeout=90s"]
        kubectl("-n", "kube-system", *status, limit=100)


def test_pods_of_a_deployment_on_both_nodes_reach_each_other(ns: Namespace, image: str) -> None:
    ns.apply(deployment("web", image, 4))
    found = rolled_out(ns, "web")
    assert {node: len(there) for node, there in by_node(found).items()} == {
        CONTROL_PLANE: 2,
        WORKER: 2,
    }
    for asking in found:
        for asked in found:
            answer = ask(ns, asking["metadata"]["name"], asked["status"]["podIP"])
            assert answer == [asked["metadata"]["name"], asking["status"]["podIP"]]


def test_a_service_reaches_the_pods_of_both_nodes(ns: Namespace, image: str) -> None:
    ns.apply(deployment("web", image, 2))
    found = rolled_out(ns, "web")
    ns.run("expose", "deployment/web", "--port=8080")
    address = ns.get("service", "web")["spec"]["clusterIP"]
    asking = found[0]["metadata"]["name"]
    missing = {p["metadata"]["name"] for p in found}

    def every_pod_has_answered() -> bool:
        missing.discard(ask(ns, asking, address)[0])
        return not missing

    eventually(every_pod_has_answered)


@pytest.mark.parametrize("handler", ["crun", "runc"])
def test_a_container_may_have_as_many_processes_as_its_pod(
    ns: Namespace, image: str, handler: str
) -> None:
    kind = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"}
    ns.apply({**kind, "metadata": {"name": handler}, "handler": handler})
    script = "cd /sys/fs/cgroup; cat pids.max pids/pids.max 2>/dev/null; exit 0"
    told = pod("limits", script, main={"image": image}, runtimeClassName=handler)
    assert ns.finish(told) == "max\n"


def facts(found: Object) -> tuple[str, str, int, str]:
    main = container(found)
    started = main["state"].get("running", {}).get("startedAt", "")
    return found["metadata"]["uid"], main["containerID"], main["restartCount"], started


def test_pods_outlive_a_kill_of_the_daemon_on_their_node(ns: Namespace, image: str) -> None:
    ns.apply(deployment("web", image, 4))
    before = {p["metadata"]["name"]: facts(p) for p in rolled_out(ns, "web")}
    killed = daemon(WORKER)
    on(WORKER, "kill", "-KILL", killed["MainPID"])

    def is_back() -> bool:
        now = daemon(WORKER)
        return now["ActiveState"] == "active" and now["MainPID"] != killed["MainPID"]

    eventually(is_back)
    late = pod("late", "echo late", main={"image": image}, nodeName=WORKER)
    assert ns.finish(late) == "late\n"
    after = rolled_out(ns, "web")
    assert {p["metadata"]["name"]: facts(p) for p in after} == before
    for name in before:
        assert ask(ns, name, after[0]["status"]["podIP"])[0] == after[0]["metadata"]["name"]
    eventually(lambda: is_ready(ns, WORKER))
    assert int(daemon(WORKER)["NRestarts"]) == int(killed["NRestarts"]) + 1


def namespaces_of_ready_pods(node: str) -> set[str]:
    ready = [p for p in pods(node) if p["state"] == "SANDBOX_READY"]
    return {p["metadata"]["namespace"] for p in ready}


def test_a_drained_node_keeps_the_pods_of_daemon_sets_alone(ns: Namespace, image: str) -> None:
    ns.apply(deployment("web", image, 4))
    rolled_out(ns, "web")
    try:
        kubectl("drain", WORKER, "--ignore-daemonsets", "--timeout=90s", limit=100)
        assert set(by_node(rolled_out(ns, "web"))) == {CONTROL_PLANE}
        eventually(lambda: namespaces_of_ready_pods(WORKER) == {"kube-system"})
    finally:
        kubectl("uncordon", WORKER)


def test_kind_loads_an_archive(ns: Namespace, archive: Path) -> None:
    run("kind", "load", "image-archive", str(archive))
    for node in (CONTROL_PLANE, WORKER):
        assert BUSYBOX in on(node, "ctr", "--namespace=k8s.io", "images", "list", "-q").split()


def test_kind_gives_an_existing_image_another_tag(image: str) -> None:
    if not on(WORKER, "sh", "-c", "command -v crictl", check=False):
        pytest.skip("needs crictl in the node: kind looks an image up with it")
    run("docker", "tag", image, "localhost/renamed:2")
    said = run("kind", "load", "docker-image", "localhost/renamed:2", check=False)
    assert "re-tagging" in said
    assert "failed" not in said
    for node in (CONTROL_PLANE, WORKER):
        assert "localhost/renamed:2" in on(node, "ctr", "images", "list", "-q").split()


def test_ctr_refuses_unsupported_commands(ns: Namespace) -> None:
    said = on(WORKER, "ctr", "images", "pull", "x", check=False)
    assert said == "ctr: this node runs cri-shim; of ctr there are images import, tag and list\n"


def test_a_restarted_node_gets_ready_and_its_pods_run_again(ns: Namespace, image: str) -> None:
    ns.apply(deployment("web", image, 2))
    rolled_out(ns, "web")
    run("docker", "restart", WORKER)
    is_active = ("systemctl", "is-active", "cri-shim")
    eventually(lambda: on(WORKER, *is_active, check=False) == "active\n")
    late = pod("late", "echo late", main={"image": image}, nodeName=WORKER)
    assert ns.finish(late) == "late\n"
    found = rolled_out(ns, "web")
    for asking in found:
        answer = ask(ns, asking["metadata"]["name"], found[0]["status"]["podIP"])
        assert answer[0] == found[0]["metadata"]["name"]
