"""Whole documents, held against files in golden/.

After a change that is meant to change documents, regenerate them, and read the difference:

    .venv/bin/python tests/unit/spec/test_spec_golden.py
    git diff tests/unit/spec/golden
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2
from cri_shim.spec import cdi, namespaces, pause, plan, process, users
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.document import Document
from cri_shim.spec.hooks import Definition, Hook, When
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.mounts import DATA, ResolvedMount
from cri_shim.spec.node_defaults import HandlerDefaults, NodeDefaults
from cri_shim.spec.pause import PauseInput
from cri_shim.spec.protection import Protection
from cri_shim.spec.userns import IdMap

GOLDEN = Path(__file__).parent / "golden"
ID, POD_ID = "c" * 64, "a" * 64
PINNED = {kind: f"/run/cri-shim/pods/{POD_ID}/ns/{kind}" for kind in ("ipc", "uts", "pid")} | {
    "net": f"/run/netns/cri-shim-{POD_ID}"
}
OWN_PID = {kind: path for kind, path in PINNED.items() if kind != "pid"}
HOST_V1 = Host(
    cgroup_v2=False,
    bounding=frozenset("CAP_" + n for n in ("CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "SYS_ADMIN")),
    can_raise=False,
    hugepage_sizes=frozenset({"2MB"}),
    devices=(
        HostDevice("/dev/fuse", "c", 10, 229, 0o666),
        HostDevice("/dev/loop0", "b", 7, 0, 0o660, gid=6),
        HostDevice("/dev/ptmx", "c", 5, 2, 0o666),
        HostDevice("/dev/pts/0", "c", 136, 0, 0o620),
    ),
)
HOST_V2 = replace(HOST_V1, cgroup_v2=True, can_raise=True)
ORDINARY = replace(HOST_V2, can_raise=False, rootless=True, limits=False)  # an unprivileged user's
IMAGE = ImageConfig(
    env=("PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"),
    entrypoint=("/entry",),
    cmd=("serve", "--port=80"),
    working_dir="/srv",
)
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\nextra:x:50000:app\n"


def pod(**linux: Any) -> api_pb2.PodSandboxConfig:
    metadata = api_pb2.PodSandboxMetadata(name="web", namespace="shop", uid="u-1", attempt=0)
    parts: Any = {"linux": linux or None}
    return api_pb2.PodSandboxConfig(metadata=metadata, hostname="web", **parts)


def given(
    linux: Any = None,
    *,
    in_pod: api_pb2.PodSandboxConfig | None = None,
    host: Host = HOST_V1,
    pinned: Mapping[str, str] = PINNED,
    mounts: tuple[ResolvedMount, ...] = (),
    devices: tuple[HostDevice, ...] = (),
    **config: Any,
) -> ContainerInput:
    the_pod = in_pod or pod()
    metadata = api_pb2.ContainerMetadata(name="app", attempt=1)
    the_config = api_pb2.ContainerConfig(metadata=metadata, linux=linux, **config)
    return ContainerInput(
        id=ID,
        pod_id=POD_ID,
        pod=the_pod,
        config=the_config,
        image=IMAGE,
        user=users.resolve(the_config.linux.security_context, "", PASSWD, GROUP),
        host=host,
        cgroups_path=f"/kubepods/podu-1/{ID}",
        namespaces=namespaces.for_container(the_config, the_pod, pinned),
        hostname="web",
        etc_files={
            f"/etc/{name}": f"/run/cri-shim/pods/{POD_ID}/{name}"
            for name in ("resolv.conf", "hostname", "hosts")
        },
        shm=f"/run/cri-shim/pods/{POD_ID}/shm",
        mounts=mounts,
        devices=devices,
        image_name="registry.example/app:1",
    )


def minimal() -> Document:
    return plan.edited(given())


def as_the_kubelet_asks() -> Document:
    context = {
        "namespace_options": {"pid": "CONTAINER"},
        "run_as_user": {"value": 1000},
        "supplemental_groups": [2000],
        "no_new_privs": True,
        "readonly_rootfs": True,
        "capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["NET_RAW"]},
        "masked_paths": ["/proc/kcore", "/proc/keys"],
        "readonly_paths": ["/proc/sys"],
    }
    limits = {
        "cpu_period": 100000,
        "cpu_quota": 50000,
        "cpu_shares": 512,
        "memory_limit_in_bytes": 64 << 20,
        "oom_score_adj": -997,
        "hugepage_limits": [{"page_size": "2MB", "limit": 0}, {"page_size": "1GB", "limit": 0}],
    }
    kubelet = "/var/lib/kubelet/pods/u-1"
    return plan.edited(
        given(
            {"security_context": context, "resources": limits},
            pinned=OWN_PID,
            args=["serve"],
            envs=[{"key": "PORT", "value": b"80"}, {"key": "LANG", "value": b"C"}],
            annotations={"io.kubernetes.container.hash": "1f", "run.oci.handler": "wasm"},
            mounts=(
                ResolvedMount(f"{kubelet}/token", "/var/run/secrets/token", readonly=True),
                ResolvedMount(f"{kubelet}/etc-hosts", "/etc/hosts"),
                ResolvedMount(f"{kubelet}/log", "/dev/termination-log"),
            ),
        )
    )


def privileged() -> Document:
    in_pod = pod(security_context={"privileged": True})
    context = {"privileged": True, "masked_paths": ["/proc/kcore"]}
    return plan.edited(given({"security_context": context}, in_pod=in_pod))


def privileged_on_cgroup_v2() -> Document:
    in_pod = pod(security_context={"privileged": True})
    context = {"privileged": True}
    return plan.edited(given({"security_context": context}, in_pod=in_pod, host=HOST_V2))


def all_of_the_host() -> Document:
    options = {"network": "NODE", "ipc": "NODE", "pid": "NODE"}
    in_pod = pod(security_context={"namespace_options": options})
    context = {"namespace_options": options}
    return plan.edited(given({"security_context": context}, in_pod=in_pod, pinned={}))


def cgroup_v2_with_unified() -> Document:
    limits = {"memory_limit_in_bytes": 1 << 30, "unified": {"memory.high": "900000000"}}
    return plan.edited(given({"resources": limits}, host=HOST_V2))


def terminal() -> Document:
    return plan.edited(given(tty=True, stdin=True, command=["sh"], working_dir="/tmp"))


def propagated_mounts() -> Document:
    return plan.edited(
        given(
            mounts=(
                ResolvedMount("/srv/b", "/mnt/b/below", propagation="rshared"),
                ResolvedMount("/srv/a", "/mnt/a", propagation="rslave"),
                ResolvedMount("/srv/c", "/mnt/b", readonly=True, recursive_readonly=True),
                ResolvedMount("/dev/shm", "/dev/shm"),
            )
        )
    )


def devices() -> Document:
    found = (
        HostDevice("/dev/fuse", "c", 10, 229, 0o666, access="rw"),
        HostDevice("/dev/data/disk", "b", 8, 16, 0o660, gid=6),
    )
    return plan.edited(given(devices=found))


def with_a_cdi_device(host: Host) -> ContainerInput:
    library = {"destination": "/lib/gpu", "type": "bind", "source": "/lib/x", "options": ["rbind"]}
    edits = cdi.Edits(
        env=("LANG=de", "GPU=0"),
        nodes=(cdi.Node("/dev/gpu0", "/dev/nv0"),),
        mounts=(library,),
        hooks=(("createContainer", {"path": "/usr/bin/gpu-hook"}),),
        gids=(44,),
    )
    node = HostDevice("/dev/gpu0", "c", 195, 0, 0o666, source="/dev/nv0")
    asked = given(host=host, devices=(HostDevice("/dev/fuse", "c", 10, 229, source="/dev/fuse"),))
    return replace(asked, cdi_edits=edits, cdi_nodes=(node,))


def cdi_device() -> Document:
    return plan.edited(with_a_cdi_device(HOST_V1))


def cdi_device_of_an_unprivileged_user() -> Document:
    return plan.edited(with_a_cdi_device(ORDINARY))


def cdi_variable_of_an_unprivileged_user_with_limits() -> Document:
    asked = given(host=replace(ORDINARY, limits=True, lacking=frozenset({"cpu"})))
    return plan.edited(replace(asked, cdi_edits=cdi.Edits(env=("GPU=0",))))


def mounts_of_all_kinds() -> Document:
    """A read-only root with VOLUMEs, a default mount, an image volume and a mount of the host."""
    bundle = f"/run/cri-shim/containers/{ID}"
    volumes = {"/data": "/var/data", "/sys/fs/cgroup": "/sys/fs/cgroup", "/mnt/x": "/mnt/x"}
    asked = given(
        {"security_context": {"readonly_rootfs": True}},
        mounts=(
            ResolvedMount(f"{bundle}/volumes/0/tree/models", "/models", readonly=True),
            ResolvedMount("/srv/mine", "/mnt", idmapped=True),
        ),
    )
    copy = ResolvedMount(f"{bundle}/default-mounts/0", "/run/secrets", options=DATA)
    made = replace(asked, rootfs=f"{bundle}/rootfs", volumes=volumes, default_mounts=(copy,))
    return plan.decide(made).document


def hook_behind_that_of_a_cdi_device() -> Document:
    when = When(annotations=((re.compile("^io.kubernetes.cri.*"), re.compile("^container$")),))
    stages = ("precreate", "createContainer")
    found = Hook("/usr/bin/trace", ("trace", "-v"), ("A=1",), 5, when, stages)
    definition = Definition(Path("/etc/hooks.d/trace.json"), found)
    return plan.decide(replace(with_a_cdi_device(HOST_V2), hooks=(definition,))).document


def ambient_capabilities() -> Document:
    asked = {"add_ambient_capabilities": ["NET_ADMIN"]}
    return plan.edited(given({"security_context": {"capabilities": asked}}))


def with_the_defaults_of_a_node() -> Document:
    node = NodeDefaults(
        rlimits={"RLIMIT_NOFILE": (1024, 2048), "RLIMIT_CORE": (0, 2**64 - 1)},
        env={"LANG": "de", "HTTPS_PROXY": "http://proxy.example:3128"},
        capabilities=frozenset({"CAP_CHOWN"}),
        inheritable=True,
    )
    asked = replace(
        given(devices=(HostDevice("/dev/fuse", "c", 10, 229, access="r"),)),
        node=node,
        node_devices=(HostDevice("/dev/xvdc", "b", 8, 32, source="/dev/sdc"),),
        annotated_devices=(
            HostDevice("/dev/fuse", "c", 10, 229),
            HostDevice("/dev/net/tun", "c", 10, 200),
        ),
    )
    files = {"/etc/localtime": "localtime", "/run/.containerenv": "containerenv"}
    own = {path: f"/run/cri-shim/pods/{POD_ID}/etc/{name}" for path, name in files.items()}
    return plan.edited(replace(asked, etc_files={**asked.etc_files, **own}))


def with_the_defaults_of_a_handler() -> Document:
    handler = HandlerDefaults(
        allowed_annotations=("a.example/*", "org.systemd.property.*"),
        annotations={"a.example/x": "handler", "b.example/y": "handler", "run.oci.x": "handler"},
        host_devices=False,
    )
    in_pod = pod(security_context={"privileged": True})
    in_pod.annotations.update({"a.example/x": "pod", "c.example/z": "pod"})
    in_pod.annotations["org.systemd.property.TimeoutStopUSec"] = "uint64 1"
    asked = given({"security_context": {"privileged": True}}, in_pod=in_pod)
    scope = f"kubepods-podu_1.slice:cri-containerd:{ID}"
    return plan.edited(replace(asked, of_handler=handler, cgroups_path=scope))


def confined() -> Document:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    process_label = "system_u:system_r:container_t:s0:c1,c2"
    return plan.edited(
        replace(given(), protection=Protection(profile, "cri-shim-default", process_label, label))
    )


def in_a_user_namespace() -> Document:
    pinned = PINNED | {"user": f"/run/cri-shim/pods/{POD_ID}/ns/user"}
    return plan.edited(replace(given(pinned=pinned), ids=IdMap.same(100000, 65536)))


def pause_process() -> Document:
    in_pod = pod(security_context={"run_as_user": {"value": 65535}, "supplemental_groups": [7]})
    path = f"/kubepods/podu-1/{POD_ID}"
    return pause.build(PauseInput(POD_ID, in_pod, "/usr/bin/catatonit", HOST_V1, path, OWN_PID))


def exec_in_a_kubelet_container() -> Document:
    return process.exec_process(as_the_kubelet_asks(), ["sh", "-l"], tty=True)


CASES: tuple[Callable[[], Document], ...] = (
    minimal,
    as_the_kubelet_asks,
    privileged,
    privileged_on_cgroup_v2,
    all_of_the_host,
    cgroup_v2_with_unified,
    terminal,
    propagated_mounts,
    devices,
    cdi_device,
    cdi_device_of_an_unprivileged_user,
    cdi_variable_of_an_unprivileged_user_with_limits,
    mounts_of_all_kinds,
    hook_behind_that_of_a_cdi_device,
    ambient_capabilities,
    with_the_defaults_of_a_node,
    with_the_defaults_of_a_handler,
    confined,
    in_a_user_namespace,
    pause_process,
    exec_in_a_kubelet_container,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_document_is_the_one_on_file(case: Callable[[], Document]) -> None:
    document = case()

    golden = json.loads((GOLDEN / f"{case.__name__}.json").read_text())
    assert document == golden


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {p.stem for p in GOLDEN.glob("*.json")} == {case.__name__ for case in CASES}


if __name__ == "__main__":
    for each in CASES:
        text = json.dumps(each(), indent=2) + "\n"
        (GOLDEN / f"{each.__name__}.json").write_text(text)
