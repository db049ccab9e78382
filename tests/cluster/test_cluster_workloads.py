"""Jobs, Deployments, DaemonSets, StatefulSets, Services and a drain, as controllers make them."""

from typing import Any

import pytest

from hack.clusterlib.images import BUSYBOX_2
from hack.clusterlib.place import NODE
from tests.cluster.kubectl import SERVE, STAY, Namespace, eventually, pod


def template(script: str = STAY, **spec: Any) -> dict[str, Any]:
    made = pod("x", script, **{"restartPolicy": "Always", **spec})
    return {"metadata": {"labels": {"app": "a"}}, "spec": made["spec"]}


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "a"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "w"},
        "spec": {"selector": selector, "template": template(), **spec},
    }


def test_a_job_runs_its_pods_to_completion(ns: Namespace) -> None:
    spec = {
        "completions": 3,
        "parallelism": 3,
        "template": template("echo done", restartPolicy="Never"),
    }
    ns.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    ns.run("wait", "job/j", "--for=condition=complete", "--timeout=90s", limit=100)
    assert len(ns.items("pods")) == 3


def test_a_job_fails_at_once_with_a_configured_exit_code(ns: Namespace) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    spec = {
        "backoffLimit": 5,
        "podFailurePolicy": {"rules": [rule]},
        "template": template("exit 42", restartPolicy="Never"),
    }
    ns.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    ns.run("wait", "job/j", "--for=condition=failed", "--timeout=90s", limit=100)
    reasons = {c["reason"] for c in ns.get("job", "j")["status"]["conditions"]}
    assert reasons == {"PodFailurePolicy"}
    assert ns.get("job", "j")["status"]["failed"] == 1


def test_a_deployment_rolls_from_one_image_to_the_next(ns: Namespace) -> None:
    ns.apply(workload("Deployment", replicas=3))
    ns.run("rollout", "status", "deployment/w", "--timeout=90s", limit=100)
    ns.run("set", "image", "deployment/w", f"main={BUSYBOX_2}")
    ns.run("rollout", "status", "deployment/w", "--timeout=120s", limit=130)

    def all_new() -> bool:
        images = [p["spec"]["containers"][0]["image"] for p in ns.items("pods")]
        return images == [BUSYBOX_2] * 3

    eventually(all_new)


def test_a_daemon_set_has_one_pod_on_the_node(ns: Namespace) -> None:
    ns.apply(workload("DaemonSet"))
    ns.run("rollout", "status", "daemonset/w", "--timeout=90s", limit=100)
    assert len(ns.items("pods")) == 1


def test_a_stateful_set_keeps_names_in_order(ns: Namespace) -> None:
    ns.apply(workload("StatefulSet", replicas=2, serviceName="w"))
    ns.run("rollout", "status", "statefulset/w", "--timeout=120s", limit=130)
    assert [p["metadata"]["name"] for p in ns.items("pods")] == ["w-0", "w-1"]
    before = ns.get("pod", "w-0")["metadata"]["uid"]
    ns.run("delete", "pod", "w-0")
    eventually(lambda: ns.get("pod", "w-0")["metadata"]["uid"] != before)
    ns.until_ready("w-0")


@pytest.mark.bounded
def test_a_service_reaches_the_pods_behind_it(ns: Namespace) -> None:
    script = f"mkdir /w; hostname > /w/index.html; {SERVE}"
    ns.apply(workload("Deployment", replicas=2, template=template(script)))
    ns.run("rollout", "status", "deployment/w", "--timeout=90s", limit=100)
    ns.run("expose", "deployment", "w", "--port=80", "--target-port=8080")
    address = ns.get("service", "w")["spec"]["clusterIP"]
    ns.start(pod("client"))
    names = {p["metadata"]["name"] for p in ns.items("pods", "app=a")}
    seen: set[str] = set()

    def ask() -> bool:
        command = f"wget -q -O - http://{address}/index.html"
        seen.add(ns.exec("client", "sh", "-c", command).strip())
        return names <= seen

    eventually(ask)


def test_a_drain_moves_every_pod_away_and_uncordon_brings_them_back(ns: Namespace) -> None:
    ns.apply(workload("Deployment", replicas=2))
    ns.run("rollout", "status", "deployment/w", "--timeout=90s", limit=100)
    ns.run(
        "drain", NODE, "--force", "--ignore-daemonsets", "--delete-emptydir-data",
        "--pod-selector=app=a", "--timeout=90s", limit=100,
    )  # fmt: skip
    try:
        eventually(lambda: all("nodeName" not in p["spec"] for p in ns.items("pods")))
    finally:
        ns.run("uncordon", NODE)
    ns.run("rollout", "status", "deployment/w", "--timeout=90s", limit=100)
