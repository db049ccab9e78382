"""Facts of a node for tests of adjustments, and the owner of every field."""

from collections import defaultdict
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.nri.document.facts import Facts, MountFacts
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.host import Host


class _Mounts(defaultdict[str, MountFacts]):
    def __missing__(self, key: str) -> MountFacts:
        return MountFacts(key)


def _check_sysctl(name: str, value: str) -> None:
    if not name.startswith("net."):
        raise InvalidArgument(name, "it is not namespaced")


def facts(**changes: Any) -> Facts:
    owners = Owners()
    for field in pb.Field.DESCRIPTOR.values_by_name:
        owners.claim("id", field, "10-a")
    host = Host(
        cgroup_v2=changes.pop("v2", True), bounding=frozenset(), hugepage_sizes=frozenset({"2MB"})
    )
    values: dict[str, Any] = {
        "id": "id",
        "owners": owners,
        "host": host,
        "mounts": _Mounts(),
        "check_sysctl": _check_sysctl,
        "cgroups_path": "/kubepods/id",
        **changes,
    }
    return Facts(**values)


DOCUMENT: dict[str, Any] = {
    "process": {
        "args": ["sh"],
        "env": ["PATH=/bin", "A=1"],
        "user": {"uid": 1, "gid": 2, "additionalGids": [2]},
        "oomScoreAdj": 5,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
    },
    "root": {"path": "rootfs"},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
        {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind"]},
    ],
    "annotations": {"kept": "1", "removed": "2"},
    "hooks": {"poststop": [{"path": "/bin/a", "timeout": 3}]},
    "linux": {
        "namespaces": [{"type": "mount"}, {"type": "network", "path": "/run/netns/x"}],
        "devices": [
            {"path": "/dev/a", "type": "c", "major": 1, "minor": 2, "fileMode": 0o600, "uid": 0}
        ],
        "cgroupsPath": "/kubepods/id",
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 100, "swap": 100},
            "cpu": {"shares": 2, "cpus": "0"},
            "pids": {"limit": 9},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4}],
            "unified": {"memory.high": "50"},
        },
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
    },
}
