"""A shutdown that a kubelet holds up: pods end in the order of their priority, each with its own
grace period, at most with what the kubelet grants its group.
"""

import json

from tests.machine.conftest import Machine
from tests.machine.kubelet import StaticPod, kubelet

NORMAL_S, CRITICAL_S = 12, 8
SYSTEM_CRITICAL = 2_000_000_000
LATE_S = 3.0  # of a busy machine
# They fork nothing when a signal comes: user-mode Linux panics at a fork that a signal cuts short.
_ALIVE = "mkfifo /silent; exec 3<>/silent; while :; do : >$me.alive; read -t 0.1 -u 3 line; done"
POLITE = f"trap ': >$me.told; read -t 3 -u 3 line; : >$me.done; exit 0' TERM; {_ALIVE}"
DEAF = f"trap ': >$me.told' TERM; {_ALIVE}"
PODS = [
    StaticPod("polite", POLITE, grace=30),
    StaticPod("short", DEAF, grace=5),
    StaticPod("long", DEAF, grace=600),
    StaticPod("critical", POLITE, grace=30, priority=SYSTEM_CRITICAL),
]
TERMS = {
    "shutdownGracePeriod": f"{NORMAL_S + CRITICAL_S}s",
    "shutdownGracePeriodCriticalPods": f"{CRITICAL_S}s",
}
COMPLETED, KILLED = ["CONTAINER_EXITED", 0, "Completed"], ["CONTAINER_EXITED", 137, "Error"]


def await_all(machine: Machine) -> None:
    """Until every pod's container runs."""
    running = f"[ $(cri-shim ps -q | wc -l) = {len(PODS)} ]"
    machine.run(f"timeout 90 sh -c 'until {running}; do sleep 0.3; done'")


def times(machine: Machine) -> dict[str, float]:
    """When each file of the containers was last written."""
    lines = machine.run("cd /var/lib/machine && stat -c '%n %.3Y' -- *").splitlines()
    return {name: float(seconds) for name, seconds in (line.split() for line in lines)}


def names(machine: Machine) -> dict[str, str]:
    """The name of each container, by its id."""
    listed = json.loads(machine.run("cri-shim ps -a -o json"))["containers"]
    return {container["id"]: container["metadata"]["name"] for container in listed}


def test_at_a_node_shutdown_pods_stop_by_priority_with_their_grace_period(
    machine: Machine,
) -> None:
    with kubelet(machine, PODS, **TERMS):
        await_all(machine)
        machine.reboot()
        after, seen, of = machine.ask("look"), times(machine), names(machine)

        told = {pod.name: seen[f"{pod.name}.told"] for pod in PODS}
        assert abs(told["short"] - told["polite"]) < LATE_S
        assert abs(told["long"] - told["polite"]) < LATE_S
        lived = {name: seen[f"{name}.alive"] - told[name] for name in ("short", "long")}
        assert 4.5 < lived["short"] < 5 + LATE_S
        assert NORMAL_S - 0.5 < lived["long"] < NORMAL_S + LATE_S
        assert told["critical"] > max(seen["polite.done"], seen["short.alive"])
        assert told["critical"] > told["long"] + NORMAL_S - LATE_S
        assert seen["critical.done"] > told["critical"] + 2.9

        found = {of[id]: end[:3] for id, end in after["containers"].items()}
        assert found == {
            "polite": COMPLETED,
            "short": KILLED,
            "long": KILLED,
            "critical": COMPLETED,
        }
        assert set(after["pods"].values()) == {"SANDBOX_NOTREADY"}
        assert (after["leases"], after["retries"], after["failed units"]) == ([], {}, [])

        machine.run("systemctl start kubelet")  # it finds its pods, and starts them again
        await_all(machine)
