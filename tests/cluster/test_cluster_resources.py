"""Limits, quality of service, resize in place, out of memory, evictions."""

import json

import pytest

from hack.clusterlib.place import NODE
from tests.cluster.kubectl import MOUNT, STAY, Namespace, container, eventually, member, pod, volume


def test_limits_reach_the_control_group(ns: Namespace) -> None:
    limits = {"cpu": "250m", "memory": "64Mi"}
    ns.start(pod("limits", main={"resources": {"limits": limits, "requests": limits}}))
    assert ns.get("pod", "limits")["status"]["qosClass"] == "Guaranteed"
    assert memory_limit(ns, "limits") == 64 << 20


def memory_limit(ns: Namespace, name: str) -> int:
    script = (
        "cat /sys/fs/cgroup/memory.max 2>/dev/null"
        " || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    return int(ns.exec(name, "sh", "-c", script))


def cpu_limit(ns: Namespace, name: str) -> int:
    """In thousandths of a CPU."""
    script = (
        "cat /sys/fs/cgroup/cpu.max 2>/dev/null"
        " || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us"
    )
    quota, period = map(int, ns.exec(name, "sh", "-c", script).split())
    return quota * 1000 // period


@pytest.mark.bounded
def test_a_container_is_resized_in_place_without_a_restart(ns: Namespace) -> None:
    ns.start(pod("resize", main={"resources": {"limits": {"memory": "64Mi", "cpu": "200m"}}}))
    larger = {"memory": "96Mi", "cpu": "300m"}
    patch = {"containers": [{"name": "main", "resources": {"limits": larger, "requests": larger}}]}
    words = ["patch", "pod", "resize", "--subresource=resize"]
    ns.run(*words, "-p", json.dumps({"spec": patch}))
    eventually(lambda: memory_limit(ns, "resize") == 96 << 20)
    eventually(lambda: cpu_limit(ns, "resize") == 300)
    found = ns.until("resize", lambda p: container(p)["resources"]["limits"] == larger)
    assert container(found)["restartCount"] == 0


@pytest.mark.bounded
def test_a_container_beyond_its_memory_limit_is_oom_killed(ns: Namespace) -> None:
    main = {"resources": {"limits": {"memory": "20Mi"}}}
    ns.apply(pod("oom", "x=a; while :; do x=$x$x; done", main=main))
    found = ns.until("oom", lambda p: "terminated" in container(p).get("state", {}))
    ended = container(found)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_the_limit_of_a_pod_holds_for_its_containers_together(ns: Namespace) -> None:
    limits = {"memory": "40Mi", "cpu": "500m"}
    greedy = member("greedy", "x=a; while :; do x=$x$x; done")
    ns.apply(pod("whole", containers=[greedy], resources={"limits": limits, "requests": limits}))
    found = ns.until("whole", lambda p: "terminated" in container(p, "greedy").get("state", {}))
    assert container(found, "greedy")["state"]["terminated"]["reason"] == "OOMKilled"
    assert "running" in container(found)["state"]
    assert found["status"]["qosClass"] == "Guaranteed"


def test_a_pod_of_a_higher_priority_preempts_another(ns: Namespace) -> None:
    name = f"high-{ns.name}"
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    ns.apply({**kind, "metadata": {"name": name}, "value": 1000})
    cpus = ns.get("node", NODE)["status"]["allocatable"]["cpu"]
    most = {"resources": {"requests": {"cpu": f"{int(cpus) * 600}m"}}}
    try:
        ns.start(pod("low", main=most))
        ns.start(pod("high", main=most, priorityClassName=name))
        eventually(lambda: [p["metadata"]["name"] for p in ns.items("pods")] == ["high"])
    finally:
        ns.run("delete", "priorityclass", name)


def test_a_pod_that_fills_its_empty_dir_is_evicted(ns: Namespace) -> None:
    source = {"emptyDir": {"sizeLimit": "1Mi"}}
    script = f"trap 'exit 9' TERM; dd if=/dev/zero of=/v/f bs=1M count=5; {STAY}"
    ns.apply(pod("fills", script, main=MOUNT, volumes=volume(**source)))
    found = ns.until("fills", lambda p: p["status"]["phase"] == "Failed", limit=180)
    assert found["status"]["reason"] == "Evicted"


def test_a_container_beyond_its_ephemeral_storage_is_evicted(ns: Namespace) -> None:
    main = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    ns.apply(
        pod("writes", f"trap 'exit 9' TERM; dd if=/dev/zero of=/f bs=1M count=5; {STAY}", main=main)
    )
    found = ns.until("writes", lambda p: p["status"]["phase"] == "Failed", limit=180)
    assert found["status"]["reason"] == "Evicted"


def test_top_shows_memory_of_a_running_container(ns: Namespace) -> None:
    ns.start(pod("busy", f"x=$(head -c 8000000 /dev/zero | tr '\\0' x); {STAY}"))

    def used() -> int:
        path = "/api/v1/nodes/node/proxy/stats/summary"
        summary = json.loads(ns.run("get", "--raw", path))
        for entry in summary["pods"]:
            if entry["podRef"]["namespace"] == ns.name:
                return int(entry["containers"][0]["memory"]["workingSetBytes"])
        return 0

    eventually(lambda: used() > 8_000_000)
