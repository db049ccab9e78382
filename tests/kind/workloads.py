"""Pods that say who asks them, spread over all nodes."""

from typing import Any

from tests.cluster.kubectl import Namespace, Object, eventually

# Every request to /cgi-bin/who is answered with the pod's name and the address that asked.
_SERVE = """\
mkdir -p /www/cgi-bin
printf '#!/bin/sh\\nprintf "\\\\n%s %s" "$(hostname)" "$REMOTE_ADDR"\\n' >/www/cgi-bin/who
chmod +x /www/cgi-bin/who
exec httpd -f -p 8080 -h /www
"""
EVERYWHERE = [{"operator": "Exists"}]


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
                    "tolerations": EVERYWHERE,
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
    """What answers at an address when a pod asks: a pod's name, and the address it saw."""
    url = f"http://{address}:8080/cgi-bin/who"
    return ns.exec(pod, "wget", "-q", "-T", "5", "-O", "-", url).split()
