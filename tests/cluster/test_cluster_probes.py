"""Probes of every kind decide whether a pod is ready, alive and started."""

from typing import Any

import pytest

from hack.clusterlib.images import AGNHOST
from tests.cluster.kubectl import SERVE, STAY, Namespace, condition, container, pod

FAST = {"periodSeconds": 1, "failureThreshold": 2}


@pytest.mark.parametrize(
    ("probe", "script"),
    [
        ({"exec": {"command": ["test", "-e", "/up"]}}, f"sleep 2; touch /up; {STAY}"),
        (
            {"httpGet": {"port": 8080, "path": "/"}},
            f"mkdir /w; sleep 2; {SERVE}",
        ),
        ({"tcpSocket": {"port": 8080}}, f"mkdir /w; sleep 2; {SERVE}"),
    ],
    ids=["exec", "http", "tcp"],
)
def test_a_pod_is_ready_when_its_readiness_probe_succeeds(
    ns: Namespace, probe: dict[str, Any], script: str
) -> None:
    if "httpGet" in probe:
        probe = {"httpGet": {"port": 8080, "path": "/index.html"}}
        script = script.replace("mkdir /w;", "mkdir /w; echo up > /w/index.html;")
    ns.apply(pod("ready", script, main={"readinessProbe": {**probe, **FAST}}))
    ns.until("ready", lambda p: container(p).get("started") and condition(p, "Ready") == "False")
    ns.until_ready("ready")


@pytest.mark.bounded
def test_a_grpc_probe_is_answered(ns: Namespace) -> None:
    main = {
        "image": AGNHOST,
        "command": ["/agnhost", "grpc-health-checking"],
        "readinessProbe": {"grpc": {"port": 5000}, **FAST},
    }
    ns.start(pod("grpc", main=main))


@pytest.mark.bounded
def test_a_container_whose_liveness_probe_fails_is_started_again(ns: Namespace) -> None:
    main = {"livenessProbe": {"exec": {"command": ["test", "!", "-e", "/sick"]}, **FAST}}
    ns.apply(pod("sick", f"sleep 3; touch /sick; {STAY}", main=main, restartPolicy="Always"))
    found = ns.until("sick", lambda p: container(p).get("restartCount", 0) >= 1)
    assert "terminated" in container(found)["lastState"]


def test_a_startup_probe_holds_the_others_back(ns: Namespace) -> None:
    main = {
        "startupProbe": {
            "exec": {"command": ["test", "-e", "/up"]},
            **FAST,
            "failureThreshold": 30,
        },
        "livenessProbe": {
            "exec": {"command": ["test", "-e", "/up"]},
            **FAST,
            "failureThreshold": 1,
        },
    }
    found = ns.start(pod("slow", f"sleep 5; touch /up; {STAY}", main=main))
    assert container(found)["restartCount"] == 0


def test_a_probe_that_hangs_is_ended_at_its_limit(ns: Namespace) -> None:
    main = {"livenessProbe": {"exec": {"command": ["sleep", "1000"]}, "timeoutSeconds": 1, **FAST}}
    ns.apply(pod("hangs", main=main, restartPolicy="Always"))
    ns.until("hangs", lambda p: container(p).get("restartCount", 0) >= 1)
