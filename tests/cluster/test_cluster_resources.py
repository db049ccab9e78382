"""Limits, quality of service, resize in place, out of memory, evictions."""

import json

from tests.cluster.kubectl import Namespace, container, eventually, pod

SLEEP = "sleep 3600"


def test_limits_reach_the_control_group(ns: Namespace) -> None:
    limits = {"cpu": "250m", "memory": "64Mi"}
    ns.start(pod("limits", SLEEP, main={"resources": {"limits": limits, "requests": limits}}))
    assert ns.get("pod", "limits")["status"]["qosClass"] == "Guaranteed"
    assert memory_limit(ns, "limits") == 64 << 20


def memory_limit(ns: Namespace, name: str) -> int:
    script = (
        "cat /sys/fs/cgroup/memory.max 2>/dev/null"
        " || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    return int(ns.exec(name, "sh", "-c", script))


def test_a_container_is_resized_in_place_without_a_restart(ns: Namespace) -> None:
    resources = {"limits": {"memory": "64Mi", "cpu": "200m"}}
    ns.start(pod("resize", SLEEP, main={"resources": resources}))
    patch = '{"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"96Mi"},"requests":{"memory":"96Mi"}}}]}}'  # noqa: E501
    ns.run("patch", "pod", "resize", "--subresource=resize", "-p", patch)
    eventually(lambda: memory_limit(ns, "resize") == 96 << 20)
    assert container(ns.get("pod", "resize"))["restartCount"] == 0


def test_a_container_beyond_its_memory_limit_is_oom_killed(ns: Namespace) -> None:
    main = {"resources": {"limits": {"memory": "20Mi"}}}
    ns.apply(pod("oom", "x=a; while :; do x=$x$x; done", main=main))
    found = ns.until("oom", lambda p: "terminated" in container(p).get("state", {}))
    ended = container(found)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_resources_of_the_whole_pod_hold_for_its_containers(ns: Namespace) -> None:
    ns.start(pod("whole", SLEEP, resources={"limits": {"memory": "80Mi", "cpu": "500m"}}))
    assert ns.get("pod", "whole")["status"]["qosClass"] in ("Burstable", "Guaranteed")


def test_a_pod_that_fills_its_empty_dir_is_evicted(ns: Namespace) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    source = {"emptyDir": {"sizeLimit": "1Mi"}}
    script = "dd if=/dev/zero of=/v/f bs=1M count=5; sleep 3600"
    ns.apply(pod("fills", script, main=mount, volumes=[{"name": "v", **source}]))
    found = ns.until("fills", lambda p: p["status"]["phase"] == "Failed", limit=180)
    assert found["status"]["reason"] == "Evicted"


def test_a_container_beyond_its_ephemeral_storage_is_evicted(ns: Namespace) -> None:
    main = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    ns.apply(pod("writes", "dd if=/dev/zero of=/f bs=1M count=5; sleep 3600", main=main))
    found = ns.until("writes", lambda p: p["status"]["phase"] == "Failed", limit=180)
    assert found["status"]["reason"] == "Evicted"


def test_top_shows_memory_of_a_running_container(ns: Namespace) -> None:
    ns.start(pod("busy", "x=$(head -c 8000000 /dev/zero | tr '\\0' x); sleep 3600"))

    def used() -> int:
        path = "/api/v1/nodes/node/proxy/stats/summary"
        summary = json.loads(ns.run("get", "--raw", path))
        for entry in summary["pods"]:
            if entry["podRef"]["namespace"] == ns.name:
                return int(entry["containers"][0]["memory"]["workingSetBytes"])
        return 0

    eventually(lambda: used() > 8_000_000)
