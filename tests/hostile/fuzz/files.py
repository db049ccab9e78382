"""Files of the node that others write: devices, hooks, profiles, configuration."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cri_shim.config.load import Places, load
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.spec import cdi, cdi_file, hook_files, hooks, seccomp, yaml_file
from cri_shim.untrusted import parse_json
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.target import Run, Target, pure

_DEVICE = "vendor.com/gpu=0"
_CDI: dict[str, Any] = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/gpu",
    "devices": [
        {
            "name": "0",
            "containerEdits": {
                "env": ["A=b"],
                "deviceNodes": [
                    {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "permissions": "rw"}
                ],
                "mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["ro"]}],
                "hooks": [{"hookName": "createContainer", "path": "/bin/true", "args": ["x"]}],
                "additionalGids": [5],
            },
        }
    ],
    "containerEdits": {"env": ["C=d"]},
}
_YAML = b"cdiVersion: 0.6.0\nkind: vendor.com/gpu\ndevices: &d\n- name: '0'\n  containerEdits: {}\n"
_DOCUMENT: dict[str, Any] = {
    "process": {
        "env": ["PATH=/bin"],
        "user": {"uid": 0, "gid": 0},
        "args": ["x"],
        "terminal": False,
    },
    "root": {"path": "/r", "readonly": False},
    "mounts": [{"destination": "/proc"}],
    "linux": {"devices": [], "resources": {"devices": []}, "cgroupsPath": "/x"},
}
_HOOKS: tuple[dict[str, Any], ...] = (
    {
        "version": "1.0.0",
        "hook": {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 1},
        "when": {
            "always": True,
            "annotations": {"^a$": "^b$"},
            "commands": ["^sh$", "[[:alpha:]]+"],
            "hasBindMounts": True,
        },
        "stages": ["prestart", "poststop"],
    },
    {"hook": "/bin/true", "stage": ["prestart"], "cmds": ["^sh$"], "annotations": ["a"]},
)
_SECCOMP: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}
    ],
    "flags": [],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
            "args": [{"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
            "includes": {"arches": ["amd64"], "minKernel": "4.8"},
            "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        },
        {"name": "old", "action": "SCMP_ACT_ALLOW"},
    ],
}
_MACHINE = seccomp.Machine("amd64", (6, 1))
_TOML = b"""runtime = "crun"
cni_plugin_dir = ["/opt/cni/bin"]
[server]
socket = "/run/x.sock"
log_level = "info"
[streaming]
port = 0
idle_timeout = 1.5
max_sessions = 10
[runtimes.crun]
path = ["/usr/bin/crun"]
"""


def _device(value: Any) -> None:
    spec = cdi_file.parse(value, "/etc/cdi/a.json", 0)
    edits = cdi.select([spec], {_DEVICE: "config.CDI_devices[0].name"}, [])
    json.dumps(cdi.applied(_DOCUMENT, edits, [])).encode()


def _hook(data: bytes) -> None:
    hook_files.parse(data)


def _precreate(data: bytes) -> None:
    """The document of a container as a hook changed it."""
    json.dumps(hooks.edited(_DOCUMENT, data)).encode()


def _profile(data: bytes) -> None:
    profile = seccomp.parse(data, "linux.security_context.seccomp")
    for capabilities in ((), ("CAP_SYS_ADMIN",)):
        json.dumps(seccomp.to_oci(profile, _MACHINE, capabilities)).encode()


@contextmanager
def _loading() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="cri-shim-fuzz-") as directory:
        own, old = Path(directory, "config.toml"), Path(directory, "libpod.conf")
        nowhere = Places(Path(directory, "none"), Path(directory, "none"), ())

        def run(data: bytes) -> None:
            for file in (own, old):
                file.write_bytes(data)
                load(file, places=nowhere)

        yield run


TARGETS = (
    Target(
        "device file",
        lambda: [json.dumps(_CDI).encode()],
        pure(lambda data: _device(parse_json(data))),
        (ValueError, InvalidArgument),
        mutation.of_json,
    ),
    Target(
        "device file in YAML",
        lambda: [_YAML, json.dumps(_CDI).encode(), _YAML + b"x: *d\n? [a]\n: !!binary aGk=\n"],
        pure(lambda data: _device(yaml_file.parse(data))),
        (ValueError, InvalidArgument),
    ),
    Target(
        "hook file",
        lambda: [json.dumps(each).encode() for each in _HOOKS],
        pure(_hook),
        (ValueError,),
        mutation.of_json,
    ),
    Target(
        "precreate hook",
        lambda: [json.dumps(_DOCUMENT).encode()],
        pure(_precreate),
        (ValueError,),
        mutation.of_json,
    ),
    Target(
        "seccomp profile",
        lambda: [json.dumps(_SECCOMP).encode()],
        pure(_profile),
        (InvalidArgument,),
        mutation.of_json,
    ),
    Target("configuration", lambda: [_TOML], _loading, (ConfigError,)),
)
