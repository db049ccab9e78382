"""Adjustments of plugins as a real container has them, with each OCI runtime."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CriShimError
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon
from tests.integration.nri.conftest import Connect

SLEEP = ["sleep", "60"]


def adjust(**fields: Any) -> pb.CreateContainerResponse:
    return pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(**fields))


def linux(**fields: Any) -> pb.CreateContainerResponse:
    return adjust(linux=pb.LinuxContainerAdjustment(**fields))


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory on a shared mount of its own."""
    mounts.bind(tmp_path, tmp_path)
    mounts.make_shared(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "file").touch()
    yield tmp_path
    for place in reversed(mounts.mounts_below(tmp_path)):
        mounts.unmount(place)


async def run(cri: Cri, connect: Connect, handler: str, answer: Any, **fields: Any) -> str:
    """Run a container that a plugin adjusts; the plugin is gone when it runs."""
    pod = await cri.run_pod(handler=handler)
    async with connect(CreateContainer=answer):
        return await cri.run(pod, fields.pop("command", SLEEP), **fields)


async def kept(cri: Cri, container: str) -> dict[str, Any]:
    """Return the OCI document of a container."""
    request = api.ContainerStatusRequest(container_id=container, verbose=True)
    info = json.loads((await cri.runtime.ContainerStatus(request)).info["info"])
    return dict(info["runtimeSpec"])


async def test_environment_and_arguments(cri: Cri, connect: Connect, handler: str) -> None:
    answer = adjust(
        env=[pb.KeyValue(key="-GONE"), pb.KeyValue(key="NEW", value="a=b")],
        args=["sh", "-c", "sleep 61"],
    )
    envs = [api.KeyValue(key="GONE", value=b"1"), api.KeyValue(key="STAYS", value=b"2")]
    container = await run(cri, connect, handler, answer, envs=envs)

    env = (await cri.sh(container, "env")).splitlines()
    assert {"NEW=a=b", "STAYS=2"} <= set(env)
    assert not [entry for entry in env if entry.startswith("GONE")]
    pid = (await cri.info(container))["pid"]
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith((b"sh\0", b"sleep\x0061"))


async def test_mounts(
    cri: Cri, connect: Connect, handler: str, tmp_path: Path, daemon: Daemon
) -> None:
    (tmp_path / "file").write_text("from the node")
    answer = adjust(
        mounts=[
            pb.Mount(destination="/added", source=str(tmp_path), options=["rbind", "ro"]),
            pb.Mount(destination="/scratch", type="tmpfs", source="tmpfs", options=["size=64k"]),
            pb.Mount(destination="-/removed"),
        ]
    )
    removed = [api.Mount(host_path=str(tmp_path), container_path="/removed")]
    container = await run(cri, connect, handler, answer, mounts=removed)

    assert await cri.sh(container, "cat /added/file") == "from the node"
    assert (await cri.exec(container, "touch", "/added/x")).exit_code != 0
    table = await cri.sh(container, "cat /proc/mounts")
    assert "tmpfs /scratch tmpfs" in table
    assert " /removed " not in table


async def test_mounts_made_later_reach_a_container(
    cri: Cri, connect: Connect, handler: str, shared: Path
) -> None:
    answer = adjust(
        mounts=[pb.Mount(destination="/later", source=str(shared), options=["rbind", "rslave"])]
    )
    container = await run(cri, connect, handler, answer)
    mounts.bind(shared / "seed", shared / "in")

    assert await cri.sh(container, "ls /later/in") == "file\n"


async def test_hooks(cri: Cri, connect: Connect, handler: str, tmp_path: Path) -> None:
    program = tmp_path / "hook"
    program.write_text(f'#!/bin/sh\ncat >/dev/null\necho "$1 $WORD" >> {tmp_path}/ran\n')
    program.chmod(0o755)

    def hook(stage: str) -> pb.Hook:
        return pb.Hook(path=str(program), args=["hook", stage], env=["WORD=x"])

    hooks = pb.Hooks(
        prestart=[hook("prestart")], poststart=[hook("poststart")], poststop=[hook("poststop")]
    )
    container = await run(cri, connect, handler, adjust(hooks=hooks))
    await cri.stop(container)
    await cri.remove(container)

    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran == ["prestart x", "poststart x", "poststop x"]


async def test_rlimits_and_oom_score(cri: Cri, connect: Connect, handler: str) -> None:
    answer = linux(oom_score_adj=pb.OptionalInt(value=321))
    answer.adjust.rlimits.add(type="RLIMIT_NOFILE", soft=123, hard=456)
    container = await run(cri, connect, handler, answer)

    pid = (await cri.info(container))["pid"]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open")] == [
        ["123", "456"]
    ]
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "321\n"


async def test_a_device_can_be_used(cri: Cri, connect: Connect, handler: str) -> None:
    device = pb.LinuxDevice(path="/dev/again", type="c", major=1, minor=3)
    device.file_mode.value, device.gid.value = 0o640, 7
    container = await run(cri, connect, handler, linux(devices=[device]))

    assert await cri.sh(container, "echo x > /dev/again; stat -c '%a %g %t %T' /dev/again") == (
        "640 7 1 3\n"
    )


async def test_cdi_devices(cri: Cri, connect: Connect, handler: str) -> None:
    spec = {
        "cdiVersion": "0.6.0",
        "kind": "cst.example/thing",
        "devices": [{"name": "0", "containerEdits": {"env": ["THING=0"]}}],
    }
    place = Path("/var/run/cdi")
    made = not place.exists()
    place.mkdir(exist_ok=True)
    file = place / f"cst{os.getpid()}.json"
    file.write_text(json.dumps(spec))
    try:
        answer = adjust(CDI_devices=[pb.CDIDevice(name="cst.example/thing=0")])
        container = await run(cri, connect, handler, answer)
    finally:
        file.unlink()
        if made:
            place.rmdir()

    assert "THING=0" in (await cri.sh(container, "env")).splitlines()


async def test_limits_are_in_force_and_are_those_of_later_updates(
    cri: Cri, connect: Connect, handler: str
) -> None:
    limits = pb.LinuxResources()
    limits.cpu.shares.value = 300
    limits.cpu.quota.value, limits.cpu.period.value = 20_000, 100_000
    limits.cpu.cpus = "0"
    limits.memory.limit.value = 64 << 20
    limits.pids.limit = 33
    container = await run(cri, connect, handler, linux(resources=limits))

    told = (await cri.status(container)).resources.linux
    assert (told.cpu_shares, told.cpu_quota, told.cpuset_cpus) == (300, 20_000, "0")
    assert told.memory_limit_in_bytes == 64 << 20
    status = Path(f"/proc/{(await cri.info(container))['pid']}/status").read_text()
    assert "Cpus_allowed_list:\t0\n" in status
    spec = (await kept(cri, container))["linux"]["resources"]
    assert spec["pids"] == {"limit": 33}
    request = api.UpdateContainerResourcesRequest(
        container_id=container, linux=api.LinuxContainerResources(cpu_shares=400)
    )
    await cri.runtime.UpdateContainerResources(request)
    told = (await cri.status(container)).resources.linux
    assert (told.cpu_shares, told.cpu_quota, told.memory_limit_in_bytes) == (
        400, 20_000, 64 << 20
    )  # fmt: skip


async def test_kernel_parameters(cri: Cri, connect: Connect, handler: str) -> None:
    answer = linux(sysctl={"net.ipv4.ip_unprivileged_port_start": "77"})
    container = await run(cri, connect, handler, answer)

    path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert await cri.sh(container, f"cat {path}") == "77\n"


async def test_another_network_namespace(cri: Cri, connect: Connect, handler: str) -> None:
    answer = linux(namespaces=[pb.LinuxNamespace(type="-network")])
    container = await run(cri, connect, handler, answer)

    pid = (await cri.info(container))["pid"]
    assert os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")  # noqa: PTH115


async def test_a_pid_namespace_of_the_node_leaves_no_process(
    cri: Cri, connect: Connect, handler: str
) -> None:
    answer = linux(namespaces=[pb.LinuxNamespace(type="-pid")])
    command = ["sh", "-c", "sleep 987654 & sleep 987654"]
    container = await run(cri, connect, handler, answer, command=command)
    pid = (await cri.info(container))["pid"]
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")  # noqa: PTH115

    await cri.stop(container)
    await cri.remove(container)

    commands = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert [c for c in commands if b"987654" in c] == []


async def test_a_seccomp_policy(cri: Cri, connect: Connect, handler: str) -> None:
    policy = pb.LinuxSeccomp(
        default_action="SCMP_ACT_ALLOW",
        syscalls=[
            pb.LinuxSyscall(
                names=["mkdir", "mkdirat"],
                action="SCMP_ACT_ERRNO",
                errno_ret=pb.OptionalUInt32(value=28),
            )
        ],
    )
    container = await run(cri, connect, handler, linux(seccomp_policy=policy))

    refused = await cri.exec(container, "mkdir", "/x")
    assert b"No space left" in refused.stderr


async def test_annotations_reach_the_document_and_the_next_event(
    cri: Cri, connect: Connect, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    async with connect(CreateContainer=adjust(annotations={"added": "1", "-old": ""})) as plugin:
        container = await cri.run(pod, SLEEP, annotations={"old": "0"})
        [made] = plugin.told("PostCreateContainer")

    told: Any = made.container  # type: ignore[attr-defined]
    assert told.annotations["added"] == "1"
    found = (await kept(cri, container))["annotations"]
    assert (found["added"], "old" in found) == ("1", False)


async def test_a_cgroup_of_its_own_is_removed_at_the_end(
    cri: Cri, connect: Connect, handler: str
) -> None:
    def elsewhere(request: Any) -> pb.CreateContainerResponse:
        name = f"/cst-nri-{os.getpid()}/{request.container.id}"
        return linux(cgroups_path=name)

    container = await run(cri, connect, handler, elsewhere)
    pid = (await cri.info(container))["pid"]
    assert f"/cst-nri-{os.getpid()}/{container}" in Path(f"/proc/{pid}/cgroup").read_text()

    await cri.stop(container)
    await cri.remove(container)

    left = [
        path for path in Path("/sys/fs/cgroup").glob(f"**/cst-nri-{os.getpid()}/*") if path.is_dir()
    ]
    for top in Path("/sys/fs/cgroup").glob(f"**/cst-nri-{os.getpid()}"):
        top.rmdir()
    assert left == []


async def test_plugins_adjust_one_after_another(cri: Cri, connect: Connect) -> None:
    pod = await cri.run_pod()
    first = adjust(env=[pb.KeyValue(key="A", value="1")], annotations={"by": "first"})
    second = adjust(
        env=[pb.KeyValue(key="-A"), pb.KeyValue(key="A", value="2")],
        annotations={"-by": "", "by": "second"},
    )
    async with connect("10", CreateContainer=first), connect("20", CreateContainer=second) as later:
        container = await cri.run(pod, SLEEP)
        [creating] = later.told("CreateContainer")

    told: Any = creating.container  # type: ignore[attr-defined]
    assert "A=1" in list(told.env)
    assert "A=2" in (await cri.sh(container, "env")).splitlines()
    assert (await kept(cri, container))["annotations"]["by"] == "second"


async def test_a_container_with_the_ids_of_a_user_namespace(
    cri: Cri, daemon: Daemon, connect: Connect, tmp_path: Path
) -> None:
    config = pod_config(daemon)
    ids = [api.IDMapping(host_id=2_000_000, container_id=0, length=65536)]
    options = config.linux.security_context.namespace_options
    options.userns_options.CopyFrom(api.UserNamespace(mode=api.POD, uids=ids, gids=ids))
    pod = await cri.run_pod(config)
    answer = adjust(mounts=[pb.Mount(destination="/added", source=str(tmp_path))])
    tmp_path.chmod(0o755)
    wanted = container_config(SLEEP)
    wanted.linux.security_context.namespace_options.CopyFrom(options)
    wanted.linux.security_context.namespace_options.pid = api.CONTAINER
    async with connect(CreateContainer=answer):
        container = await cri.create(pod, wanted)
        await cri.start(container)

    assert await cri.sh(container, "stat -c %u /added") == "65534\n"
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (adjust(mounts=[pb.Mount(destination="/x", source="/nowhere/at/all")]), "/nowhere/at/all"),
        (adjust(mounts=[pb.Mount(destination="/proc/x", source="/")]), "nothing can be mounted at"),
        (linux(cgroups_path="/cst-nobody"), "its last part must be the id of the container"),
        (linux(sysctl={"vm.swappiness": "1"}), "it is not namespaced: it would change the whole"),
        (linux(namespaces=[pb.LinuxNamespace(type="user")]), "Namespace user, which is refused"),
        (adjust(CDI_devices=[pb.CDIDevice(name="a/b=c")]), "no CDI device a/b=c on this node"),
        (adjust(env=[pb.KeyValue(key="a=b")]), "it is not the name of a variable"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    cri: Cri, connect: Connect, answer: Any, sentence: str
) -> None:
    pod = await cri.run_pod()
    async with connect(CreateContainer=answer) as plugin:
        with pytest.raises(CriShimError, match=sentence):
            await cri.create(pod, container_config(SLEEP))
        assert plugin.methods[2:] == ["CreateContainer", "StopContainer", "RemoveContainer"]
    assert await cri.containers(pod_sandbox_id=pod) == []
