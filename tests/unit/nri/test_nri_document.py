"""Adjustments in the OCI document, field by field; and what is refused."""

from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.document import linux as of_linux
from cri_shim.nri.document import mounts, process
from cri_shim.nri.document.adjusted import adjusted
from cri_shim.nri.document.facts import MountFacts
from cri_shim.pb import nri_pb2 as pb
from tests.unit.nri.facts import DOCUMENT, facts


def changed(adjust: pb.ContainerAdjustment, **of: Any) -> dict[str, Any]:
    return adjusted(DOCUMENT, adjust, facts(**of))


def linux(**fields: object) -> pb.ContainerAdjustment:
    return pb.ContainerAdjustment(linux=pb.LinuxContainerAdjustment(**fields))  # type: ignore[arg-type]


def test_no_adjustment_changes_nothing() -> None:
    assert changed(pb.ContainerAdjustment()) == DOCUMENT


def test_each_part_is_unchanged_without_an_adjustment_of_it() -> None:
    nothing = pb.ContainerAdjustment()

    assert process.adjusted(DOCUMENT["process"], nothing, facts()) == DOCUMENT["process"]
    assert mounts.adjusted(DOCUMENT["mounts"], [], facts()) == DOCUMENT["mounts"]
    assert of_linux.adjusted(DOCUMENT["linux"], nothing.linux, facts()) == DOCUMENT["linux"]


@pytest.mark.parametrize(
    ("options", "before", "needed"),
    [
        ([], "", ""),
        (["rslave"], "", "rslave"),
        (["rshared"], "rslave", "rshared"),
        (["rslave"], "rshared", "rshared"),
        ([], "rslave", "rslave"),
    ],
)
def test_the_propagation_of_the_root_file_system(
    options: list[str], before: str, needed: str
) -> None:
    assert mounts.propagation([{"options": options}], before) == needed


def test_environment_arguments_annotations_and_rlimits() -> None:
    found = changed(
        pb.ContainerAdjustment(
            env=[pb.KeyValue(key="-A"), pb.KeyValue(key="B", value="x=y")],
            args=["run", "it"],
            annotations={"-removed": "", "new": "3"},
            rlimits=[pb.POSIXRlimit(type="RLIMIT_NOFILE", soft=7, hard=8)],
        )
    )

    assert found["process"]["env"] == ["PATH=/bin", "B=x=y"]
    assert found["process"]["args"] == ["run", "it"]
    assert found["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 7, "hard": 8}]
    assert found["annotations"] == {"kept": "1", "new": "3"}


def test_mounts_are_replaced_removed_and_sorted_by_depth() -> None:
    found = changed(
        pb.ContainerAdjustment(
            mounts=[
                pb.Mount(destination="/a/b/c", source="/x", options=["ro", "relabel"]),
                pb.Mount(destination="-/data"),
                pb.Mount(destination="/t", type="tmpfs", source="tmpfs", options=["size=1m"]),
            ]
        )
    )["mounts"]

    assert [m["destination"] for m in found] == ["/proc", "/t", "/a/b/c"]
    assert found[2] == {
        "destination": "/a/b/c",
        "type": "bind",
        "source": "/x",
        "options": ["rbind", "ro"],
    }
    assert found[1]["options"] == ["size=1m"]


def test_a_mount_goes_where_the_links_of_the_image_lead() -> None:
    of = {"/link/x": MountFacts("/real/x")}
    mount = pb.Mount(destination="/link/x", source="/x")

    found = changed(pb.ContainerAdjustment(mounts=[mount]), mounts=of)

    assert found["mounts"][-1]["destination"] == "/real/x"


def test_a_shared_mount_needs_a_shared_root_file_system() -> None:
    of = {"/s": MountFacts("/s", shared=True)}
    mount = pb.Mount(destination="/s", source="/x", options=["rbind", "rshared"])

    found = changed(pb.ContainerAdjustment(mounts=[mount]), mounts=of)

    assert found["linux"]["rootfsPropagation"] == "rshared"


def test_hooks_come_after_those_of_the_node() -> None:
    hook = pb.Hook(path="/bin/h", args=["h"], env=["A=b"], timeout=pb.OptionalInt(value=4))
    found = changed(
        pb.ContainerAdjustment(hooks=pb.Hooks(create_runtime=[hook], poststop=[pb.Hook(path="/b")]))
    )["hooks"]

    assert found == {
        "poststop": [{"path": "/bin/a", "timeout": 3}, {"path": "/b"}],
        "createRuntime": [{"path": "/bin/h", "args": ["h"], "env": ["A=b"], "timeout": 4}],
    }


def test_devices_are_added_with_their_rules() -> None:
    device = pb.LinuxDevice(path="/dev/n", type="b", major=8, minor=1)
    device.file_mode.value, device.uid.value = 0o100640, 7
    found = changed(linux(devices=[pb.LinuxDevice(path="-/dev/a"), device]))["linux"]

    assert found["devices"] == [
        {"path": "/dev/n", "type": "b", "major": 8, "minor": 1, "fileMode": 0o640, "uid": 7}
    ]
    assert found["resources"]["devices"][-1] == {
        "allow": True, "type": "b", "major": 8, "minor": 1, "access": "rwm"
    }  # fmt: skip


def test_namespaces_are_removed_and_replaced() -> None:
    found = changed(
        linux(
            namespaces=[
                pb.LinuxNamespace(type="-network"),
                pb.LinuxNamespace(type="ipc", path="/proc/1/ns/ipc"),
                pb.LinuxNamespace(type="cgroup"),
            ]
        )
    )["linux"]["namespaces"]

    assert found == [
        {"type": "mount"},
        {"type": "ipc", "path": "/proc/1/ns/ipc"},
        {"type": "cgroup"},
    ]


def test_the_other_parts_of_linux() -> None:
    policy = pb.LinuxSeccomp(
        default_action="SCMP_ACT_ALLOW",
        default_errno=pb.OptionalUInt32(value=38),
        flags=["SECCOMP_FILTER_FLAG_LOG"],
        syscalls=[
            pb.LinuxSyscall(
                names=["kill"],
                action="SCMP_ACT_ERRNO",
                errno_ret=pb.OptionalUInt32(value=1),
                args=[pb.LinuxSeccompArg(index=1, value=9, value_two=2, op="SCMP_CMP_EQ")],
            )
        ],
    )
    found = changed(
        linux(
            cgroups_path="/other/id",
            sysctl={"net.a": "1"},
            seccomp_policy=policy,
            net_devices={"eth5": pb.LinuxNetDevice(name="data0"), "eth6": pb.LinuxNetDevice()},
        )
    )["linux"]

    assert found["cgroupsPath"] == "/other/id"
    assert found["sysctl"] == {"net.a": "1"}
    assert found["netDevices"] == {"eth5": {"name": "data0"}, "eth6": {}}
    assert found["seccomp"] == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "defaultErrnoRet": 38,
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {
                "names": ["kill"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 1,
                "args": [{"index": 1, "value": 9, "valueTwo": 2, "op": "SCMP_CMP_EQ"}],
            }
        ],
    }


def test_the_scheduling_of_the_process() -> None:
    priority = pb.LinuxIOPriority(**{"class": pb.IOPRIO_CLASS_BE}, priority=3)
    scheduler = pb.LinuxScheduler(
        policy=pb.SCHED_BATCH, nice=5, flags=[pb.SCHED_FLAG_RESET_ON_FORK]
    )
    found = changed(
        linux(io_priority=priority, scheduler=scheduler, oom_score_adj=pb.OptionalInt(value=-3))
    )["process"]

    assert found["ioPriority"] == {"class": "IOPRIO_CLASS_BE", "priority": 3}
    assert found["scheduler"] == {
        "policy": "SCHED_BATCH",
        "nice": 5,
        "flags": ["SCHED_FLAG_RESET_ON_FORK"],
    }
    assert found["oomScoreAdj"] == -3


def test_a_memory_policy() -> None:
    policy = pb.LinuxMemoryPolicy(mode=pb.MPOL_BIND, nodes="0-1,3", flags=[pb.MPOL_F_STATIC_NODES])

    found = changed(linux(memory_policy=policy))["linux"]["memoryPolicy"]

    assert found == {"mode": "MPOL_BIND", "nodes": "0-1,3", "flags": ["MPOL_F_STATIC_NODES"]}


def mount(destination: str, *options: str, source: str = "/x") -> pb.ContainerAdjustment:
    wanted = pb.Mount(destination=destination, source=source, options=options)
    return pb.ContainerAdjustment(mounts=[wanted])


def hook(path: str, timeout: int = 1) -> pb.ContainerAdjustment:
    wanted = pb.Hook(path=path, timeout=pb.OptionalInt(value=timeout))
    return pb.ContainerAdjustment(hooks=pb.Hooks(prestart=[wanted]))


def device(**fields: object) -> pb.ContainerAdjustment:
    return linux(devices=[pb.LinuxDevice(**{"path": "/dev/x", "type": "c", **fields})])  # type: ignore[arg-type]


def namespace(kind: str, path: str = "") -> pb.ContainerAdjustment:
    return linux(namespaces=[pb.LinuxNamespace(type=kind, path=path)])


@pytest.mark.parametrize(
    ("adjust", "sentence"),
    [
        (pb.ContainerAdjustment(args=["a\0"]), "Args, which is refused: it has a NUL"),
        (pb.ContainerAdjustment(args=["x" * 131072]), "Args, which is refused: it is longer than"),
        (pb.ContainerAdjustment(env=[pb.KeyValue(key="")]), "Env , which is refused: it is not"),
        (pb.ContainerAdjustment(env=[pb.KeyValue(key="a=b")]), "Env a=b, which is refused: it is"),
        (
            pb.ContainerAdjustment(env=[pb.KeyValue(key="a", value="\0")]),
            "Env a, which is refused: it has a NUL character",
        ),
        (
            pb.ContainerAdjustment(rlimits=[pb.POSIXRlimit(type="RLIMIT_X")]),
            "Rlimits RLIMIT_X, which is refused: there is no such limit",
        ),
        (
            pb.ContainerAdjustment(rlimits=[pb.POSIXRlimit(type="RLIMIT_AS", soft=2, hard=1)]),
            "the soft limit 2 is above the hard one 1",
        ),
        (mount("x"), "Mounts x, which is refused: the destination must be an absolute path"),
        (mount("/a\0"), "the destination must be an absolute path"),
        (mount("/proc"), "nothing can be mounted at /proc"),
        (mount("/proc/sys"), "nothing can be mounted at /proc/sys"),
        (mount("/dev"), "nothing can be mounted at /dev"),
        (mount("/"), "nothing can be mounted at /"),
        (mount("/x", source="x"), "the source of a bind mount must be an absolute path"),
        (mount("/x", source="/\0"), "it has a NUL character"),
        (mount("/x", "rshared"), "/x is not on a shared mount; make it one: mount --make-rshared"),
        (mount("/x", "rslave"), "/x is neither on a shared nor on a slave mount"),
        (hook("bin/x"), "OciHooks, which is refused: the path of a hook must be absolute"),
        (hook("/bin/\0"), "a hook has a NUL character"),
        (hook("/bin/x", 0), "the time-out of a hook must be more than 0"),
        (device(path="dev/x"), "Devices dev/x, which is refused: no device can be made there"),
        (device(path="/proc/x"), "no device can be made there"),
        (device(type="z"), "its type must be one of b, c, u, p"),
        (device(major=-1), "there is no device of these numbers"),
        (device(minor=1 << 32), "there is no device of these numbers"),
        (linux(cgroups_path="/kubepods"), "its last part must be the id of the container"),
        (linux(cgroups_path="/a/../id"), "CgroupsPath, which is refused: '/a/../id' has not the"),
        (linux(cgroups_path="a.slice:x:id"), "has not the form of this node's"),
        (namespace("user"), "Namespace user, which is refused: it is part of the root file system"),
        (namespace("-mount"), "Namespace mount, which is refused: it is part of the root"),
        (namespace("moon"), "Namespace moon, which is refused: there is no such kind"),
        (namespace("ipc", "x"), "Namespace ipc, which is refused: its path must be absolute"),
        (linux(sysctl={"vm.x": "1"}), "Sysctl vm.x, which is refused: vm.x: it is not namespaced"),
        (
            linux(seccomp_policy=pb.LinuxSeccomp(default_action="ALLOW")),
            "SeccompPolicy, which is refused: defaultAction is 'ALLOW'",
        ),
        (
            linux(net_devices={"a/b": pb.LinuxNetDevice()}),
            "LinuxNetDevices a/b, which is refused: 'a/b' is no interface's name",
        ),
        (
            linux(net_devices={"a": pb.LinuxNetDevice(name="x" * 16)}),
            "is no interface's name",
        ),
        (
            linux(memory_policy=pb.LinuxMemoryPolicy(nodes="0;1")),
            "its mode, its nodes or a flag is not valid",
        ),
        (
            linux(io_priority=pb.LinuxIOPriority(**{"class": 1}, priority=9)),
            "IoPriority, which is refused: its class or its priority",
        ),
        (
            linux(scheduler=pb.LinuxScheduler(policy=pb.SCHED_OTHER, nice=30)),
            "LinuxSched, which is refused: nice 30 is not from -20 to 19",
        ),
        (linux(scheduler=pb.LinuxScheduler(policy=77)), "its policy or a flag is unknown"),  # type: ignore[arg-type]
        (
            linux(oom_score_adj=pb.OptionalInt(value=2000)),
            "OomScoreAdj, which is refused: 2000 is not from -1000 to 1000",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_the_plugin(
    adjust: pb.ContainerAdjustment, sentence: str
) -> None:
    with pytest.raises(ToolFailed) as raised:
        changed(adjust)

    assert str(raised.value).startswith("NRI plugin 10-a sets ")
    assert sentence in str(raised.value)


def test_selinux_cannot_relabel() -> None:
    with pytest.raises(ToolFailed, match="sources are not relabelled here"):
        changed(mount("/x", "relabel"), selinux=True)
