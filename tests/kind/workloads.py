"""Pods that return the client's address, spread over all nodes."""

from typing import Any

from tests.cluster.kubectl import Namespace, Object, eventually

# Every request to /cgi-bin/who is answered with the pod's name and the client's address.
_SERVE = """\
mkdir -p /www/cgi-bin
printf '%s\\n' '#!/bin/sh' echo 'echo "$(hostname) $REMOTE_ADDR"' >/www/cgi-bin/who
chmod +x /www/cgi-bin/who
exec httpd -f -p 0.0.0.0:8080 -h /www
"""
# Not every taint: a drained node would get the pods back.
_ALSO_CONTROL_PLANE = [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]


def deployment(name: str, image: str, replicas: int) -> Object:
    """As many pods on one node as on the other, the one of the control plane too."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    main: dict[str, Any] = {
        "name": "main",
        "image": image,
        "command": ["/bin/sh", "-c", _SERVE],
        "readinessProbe": {"httpGet": {"path": "/cgi-bin/who", "port": 8080}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "tolerations": _ALSO_CONTROL_PLANE,
                    "topologySpreadConstraints": [spread],
                    "containers": [main],
                },
            },
        },
    }


def rolled_out(ns: Namespace, name: str) -> list[Object]:
    """The pods of a Deployment, when all of them are ready and no other ones are left."""
    ns.run("rollout", "status", f"deployment/{name}", "--timeout=120s", limit=130)
    replicas = ns.get("deployment", name)["spec"]["replicas"]

    def pods() -> list[Object] | None:
        found = ns.items("pods", f"app={name}")
        return found if len(found) == replicas else None

    return eventually(pods)


def ask(ns: Namespace, pod: str, address: str) -> list[str]:
    """Return the name of the pod that answers at an address, and the client address it saw."""
    # A static busybox looks up the service "http" in wget, and fails at that without libraries.
    script = f"printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} 8080"
    return ns.exec(pod, "sh", "-c", script).splitlines()[-1].split()
