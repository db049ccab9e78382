"""The command line of each program of a cluster, in the order of their start."""

import sys
from collections.abc import Mapping

from hack.clusterlib.place import NODE, NODE_IP, PODS, SERVICES, Place

Command = list[str]


def commands(place: Place) -> Mapping[str, Command]:
    """Return name -> command; each can be started again at any time."""
    return {
        "etcd": _etcd(place),
        "registry": ["docker-registry", "serve", str(place / "registry.json")],
        "kube-apiserver": _apiserver(place),
        "kube-controller-manager": _controller_manager(place),
        "kube-scheduler": [
            *_program(place, "kube-scheduler"),
            f"--kubeconfig={place / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--secure-port=0",
        ],
        "cri-shim": [
            *(sys.executable, "-m", "cri_shim", "--config", str(place / "cri-shim.toml"), "serve")
        ],
        "kubelet": [
            *_program(place, "kubelet"),
            f"--config={place / 'kubelet.json'}",
            f"--kubeconfig={place / 'kubelet.kubeconfig'}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_IP}",
            "--v=2",
        ],
        "kube-proxy": [
            *_program(place, "kube-proxy"),
            f"--kubeconfig={place / 'proxy.kubeconfig'}",
            f"--hostname-override={NODE}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=nftables",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ],
    }


def _program(place: Place, name: str) -> Command:
    return [str(place.programs / name)]


def _etcd(place: Place) -> Command:
    return [
        *_program(place, "etcd"),
        f"--data-dir={place / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(place: Place) -> Command:
    key = place / "service-account.key"
    return [
        *_program(place, "kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE_IP}",
        f"--cert-dir={place / 'certificates'}",
        f"--token-auth-file={place / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-node-port-range=30000-32767",
        "--endpoint-reconciler-type=none",
        "--allow-privileged",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    ]


def _controller_manager(place: Place) -> Command:
    return [
        *_program(place, "kube-controller-manager"),
        f"--kubeconfig={place / 'controller-manager.kubeconfig'}",
        f"--service-account-private-key-file={place / 'service-account.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
    ]
