"""Security contexts, by the names of critest's security_context specs; and what they leave out."""

import json
import shutil
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import child
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, log_lines, pod_config
from tests.fixtures.host import until

POD, CONTAINER, NODE = api.POD, api.CONTAINER, api.NODE
RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = range(3)
SLEEP = ["sleep", "60"]
BUSYBOX = "/bin/busybox"


def context(**fields: Any) -> api.LinuxContainerConfig:
    """Of a container, with its own pid namespace unless `namespace_options` says otherwise."""
    fields.setdefault("namespace_options", {"pid": CONTAINER})
    return api.LinuxContainerConfig(security_context=api.LinuxContainerSecurityContext(**fields))


async def pod_with(cri: Cri, handler: str, hostname: str = "secure", **fields: Any) -> str:
    fields.setdefault("namespace_options", {"pid": CONTAINER})
    linux = api.LinuxPodSandboxConfig(security_context=api.LinuxSandboxSecurityContext(**fields))
    return await cri.run_pod(pod_config(cri.daemon, linux=linux, hostname=hostname), handler)


async def run(cri: Cri, handler: str, **fields: Any) -> str:
    """A container that sleeps, alone in its pod."""
    return await cri.run(await cri.run_pod(handler=handler), SLEEP, linux=context(**fields))


async def output(cri: Cri, handler: str, command: list[str], **fields: Any) -> list[str]:
    """The log of a container that ran `command`, read once after it has exited."""
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, command, linux=context(**fields))
    return log_lines(await cri.exited(container))


async def process_status(cri: Cri, container: str) -> dict[str, str]:
    """/proc/PID/status of the container's init, as the host sees it."""
    text = Path(f"/proc/{(await cri.info(container))['pid']}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


# -- NamespaceOption ------------------------------------------------------------------------------


async def test_runtime_should_support_host_pid(cri: Cri, handler: str) -> None:
    options: dict[str, Any] = {"namespace_options": {"pid": NODE}}
    pod = await pod_with(cri, handler, **options)
    one = await cri.run(pod, ["sleep", "4242"], "one", linux=context(**options))
    two = await cri.run(pod, SLEEP, "two", linux=context(**options))
    pid = (await cri.info(one))["pid"]
    assert str(pid) in (await cri.sh(two, "ps | grep 'sleep 424[2]'")).split()


@pytest.mark.parametrize("mode", [POD, NODE])
async def test_runtime_should_support_host_ipc(cri: Cri, handler: str, mode: int) -> None:
    segment = (await child.run(["ipcmk", "-M", "1M"])).stdout.decode().split()[-1]
    try:
        options: dict[str, Any] = {"namespace_options": {"pid": CONTAINER, "ipc": mode}}
        pod = await pod_with(cri, handler, **options)
        container = await cri.run(pod, SLEEP, linux=context(**options))
        table = await cri.sh(container, "cat /proc/sysvipc/shm")
        shown = [line.split()[1] for line in table.splitlines()]
        assert (segment in shown) == (mode == NODE)
    finally:
        await child.run(["ipcrm", "-m", segment])


async def test_runtime_should_support_pod_pid_and_container_pid(cri: Cri, handler: str) -> None:
    pod = await pod_with(cri, handler, namespace_options={"pid": POD})
    shared = await cri.run(pod, SLEEP, "a", linux=context(namespace_options={"pid": POD}))
    own = await cri.run(pod, SLEEP, "b", linux=context(namespace_options={"pid": CONTAINER}))
    assert "sleep" not in await cri.sh(shared, "cat /proc/1/cmdline")
    assert "sleep" in await cri.sh(own, "cat /proc/1/cmdline")


@pytest.mark.parametrize("mode", [POD, NODE])
async def test_runtime_should_support_host_network(cri: Cri, handler: str, mode: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        options: dict[str, Any] = {"namespace_options": {"pid": CONTAINER, "network": mode}}
        pod = await pod_with(cri, handler, "" if mode == NODE else "secure", **options)
        command = [BUSYBOX, "netstat", "-ltn"]
        container = await cri.run(pod, command, linux=context(**options))
        lines = "\n".join(log_lines(await cri.exited(container)))
        assert (f":{listener.getsockname()[1]} " in lines) == (mode == NODE)


# -- bucket ---------------------------------------------------------------------------------------


async def test_runtime_should_support_supplemental_groups(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, supplemental_groups=[1234, 5678])
    assert {"1234", "5678"} <= set((await cri.sh(container, "id -G")).split())


async def test_runtime_should_support_run_as_user(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, run_as_user={"value": 1001})
    assert await cri.sh(container, "id -u") == "1001\n"


async def test_runtime_should_support_run_as_user_name(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, run_as_username="web")
    assert await cri.sh(container, "id -nu") == "web\n"


async def test_runtime_should_support_run_as_group(cri: Cri, handler: str) -> None:
    user: dict[str, Any] = {"run_as_user": {"value": 1001}, "run_as_group": {"value": 1002}}
    assert await output(cri, handler, ["sh", "-c", "echo $(id -u):$(id -g)"], **user) == [
        "1001:1002"
    ]


async def test_runtime_should_return_error_if_run_as_group_is_set_without_run_as_user(
    cri: Cri,
) -> None:
    pod = await cri.run_pod()
    linux = context(run_as_group={"value": 1002})
    with pytest.raises(InvalidArgument, match=r"security_context\.run_as_group"):
        await cri.create(pod, container_config(SLEEP, linux=linux))
    assert await cri.containers() == []


@pytest.mark.parametrize(
    ("readonly", "said"), [(False, ["Found"]), (True, ["touch: test.go: Read-only file system"])]
)
async def test_runtime_should_support_readonly_rootfs(
    cri: Cri, handler: str, readonly: bool, said: list[str]
) -> None:
    script = "touch test.go && [ -f test.go ] && echo Found"
    assert await output(cri, handler, ["sh", "-c", script], readonly_rootfs=readonly) == said


@pytest.mark.parametrize("privileged", [True, False])
async def test_runtime_should_support_privileged(cri: Cri, handler: str, privileged: bool) -> None:
    pod = await pod_with(cri, handler, privileged=privileged)
    container = await cri.run(pod, SLEEP, linux=context(privileged=privileged))
    answer = await cri.exec(container, "ip", "link", "add", "foobar", "type", "bridge")
    assert (answer.exit_code == 0) == privileged


async def test_runtime_should_support_adding_capability(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    more = context(capabilities={"add_capabilities": ["NET_ADMIN"]})
    able = await cri.run(pod, SLEEP, "able", linux=more)
    plain = await cri.run(pod, SLEEP, "plain", linux=context())
    make = ("ip", "link", "add", "foobar", "type", "bridge")
    assert (await cri.exec(able, *make)).exit_code == 0
    assert (await cri.exec(plain, *make)).exit_code != 0


async def test_runtime_should_support_dropping_capability(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, capabilities={"drop_capabilities": ["NET_RAW"]})
    answer = await cri.exec(container, "ping", "-c", "1", "127.0.0.1")
    assert answer.exit_code != 0
    assert b"permission denied" in answer.stderr


async def test_runtime_should_support_adding_all_capabilities(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, capabilities={"add_capabilities": ["ALL"]})
    bounding = await cri.sh(container, "grep CapBnd /proc/self/status")
    own = next(s for s in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in s)
    assert bounding.split() == own.split()


async def test_runtime_should_support_dropping_all_capabilities(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, capabilities={"drop_capabilities": ["ALL"]})
    assert (await cri.sh(container, "grep CapBnd /proc/self/status")).split()[1] == "0" * 16


async def test_ambient_capabilities_reach_a_user_who_is_not_root_and_an_exec(
    cri: Cri, handler: str
) -> None:
    container = await run(
        cri,
        handler,
        run_as_user={"value": 1001},
        capabilities={"add_ambient_capabilities": ["NET_BIND_SERVICE"]},
    )
    for text in (await cri.sh(container, "cat /proc/1/status /proc/self/status")).split("Name:")[
        1:
    ]:
        masks = dict(line.split(":\t") for line in text.splitlines() if line.startswith("Cap"))
        assert {masks["CapAmb"], masks["CapInh"], masks["CapEff"]} == {"0000000000000400"}


async def test_an_unknown_capability_is_refused_by_its_field(cri: Cri) -> None:
    pod = await cri.run_pod()
    linux = context(capabilities={"drop_capabilities": ["NET_RAW", "FLY"]})
    with pytest.raises(InvalidArgument, match=r"drop_capabilities\[1\]: .*FLY"):
        await cri.create(pod, container_config(SLEEP, linux=linux))
    assert await cri.containers() == []


async def test_runtime_should_support_masked_paths(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, masked_paths=["/bin/ls"])
    answer = await cri.exec(container, "/bin/sh", "-c", "/bin/ls")
    assert (answer.exit_code, answer.stderr) == (126, b"/bin/sh: /bin/ls: Permission denied\n")


async def test_runtime_should_support_readonly_paths(cri: Cri, handler: str) -> None:
    container = await run(cri, handler, readonly_paths=["/tmp"])
    answer = await cri.exec(container, "touch", "/tmp/test")
    assert (answer.exit_code, answer.stderr) == (1, b"touch: /tmp/test: Read-only file system\n")


async def test_a_privileged_container_sees_the_devices_of_the_host_and_may_use_them(
    cri: Cri, handler: str
) -> None:
    pod = await pod_with(cri, handler, privileged=True)
    asked = context(privileged=True, masked_paths=["/proc/kcore"], readonly_paths=["/proc/sys"])
    container = await cri.run(pod, SLEEP, linux=asked)
    assert (await cri.sh(container, "ls /dev/net/tun /dev/kmsg")).split() == [
        "/dev/kmsg",
        "/dev/net/tun",
    ]
    await cri.sh(container, "busybox mknod /tmp/null2 c 1 3 && echo > /tmp/null2")
    await cri.sh(
        container, "busybox mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null count=0"
    )
    await cri.sh(container, "echo 1 > /proc/sys/net/ipv4/ip_forward")


async def test_an_unprivileged_container_cannot_use_a_device_node_that_it_makes(
    cri: Cri, handler: str
) -> None:
    container = await run(cri, handler, capabilities={"add_capabilities": ["ALL"]})
    await cri.sh(container, "busybox mknod /tmp/kmsg c 1 11")
    answer = await cri.exec(container, "dd", "if=/tmp/kmsg", "of=/dev/null", "count=0")
    assert b"Operation not permitted" in answer.stderr


@pytest.mark.parametrize(
    ("permissions", "read", "written"), [("r", True, False), ("w", False, True), ("", True, True)]
)
async def test_a_requested_device_can_be_used_with_the_requested_access(
    cri: Cri, handler: str, permissions: str, read: bool, written: bool
) -> None:
    device = api.Device(host_path="/dev/kmsg", container_path="/dev/words", permissions=permissions)
    pod = await cri.run_pod(handler=handler)
    linux = context(capabilities={"add_capabilities": ["SYSLOG"]})  # what reading it takes besides
    container = await cri.run(pod, SLEEP, linux=linux, devices=[device])
    reading = await cri.exec(container, "dd", "if=/dev/words", "of=/dev/null", "count=0")
    writing = await cri.exec(container, "dd", "if=/dev/null", "of=/dev/words")
    assert (reading.exit_code == 0, writing.exit_code == 0) == (read, written)
    for answer in (reading, writing):
        assert answer.exit_code == 0 or b"Operation not permitted" in answer.stderr


async def test_a_privileged_container_in_a_pod_that_is_not_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=r"security_context\.privileged"):
        await cri.create(pod, container_config(SLEEP, linux=context(privileged=True)))
    assert await cri.containers() == []


# -- SupplementalGroupsPolicy ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "groups"), [(api.Merge, [50, 1000, 1234]), (api.Strict, [1000, 1234])]
)
async def test_supplemental_groups_policy_decides_on_the_groups_of_the_image(
    cri: Cri, handler: str, policy: int, groups: list[int]
) -> None:
    container = await run(
        cri,
        handler,
        run_as_user={"value": 1000},
        supplemental_groups=[1234],
        supplemental_groups_policy=policy,
    )
    user = (await cri.status(container)).user.linux
    assert (user.uid, user.gid, sorted(user.supplemental_groups)) == (1000, 1000, groups)
    assert sorted(map(int, (await cri.sh(container, "id -G")).split())) == groups
    assert sorted(map(int, (await process_status(cri, container))["Groups"].split())) == groups


# -- SeccompProfilePath ---------------------------------------------------------------------------


def denying(directory: Path, *calls: str) -> dict[str, Any]:
    """A Localhost profile that allows everything else."""
    path = directory / "deny.json"
    rule = {"names": calls, "action": "SCMP_ACT_ERRNO"}
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    return {"profile_type": LOCALHOST, "localhost_ref": str(path)}


async def modes(cri: Cri, container: str) -> tuple[str, str]:
    """The seccomp mode of the container's init, and of an exec in it."""
    answer = await cri.sh(container, "grep Seccomp: /proc/self/status")
    return (await process_status(cri, container))["Seccomp"], answer.split()[1]


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"seccomp": {"profile_type": UNCONFINED}}, "0"),
        ({"seccomp": {}}, "2"),
        ({}, "0"),
        ({"seccomp_profile_path": "runtime/default"}, "2"),
        ({"seccomp_profile_path": "unconfined"}, "0"),
        ({"seccomp": {}, "no_new_privs": True, "run_as_user": {"value": 1000}}, "2"),
    ],
)
async def test_should_support_seccomp_unconfined_default_and_nil(
    cri: Cri, handler: str, fields: dict[str, Any], mode: str
) -> None:
    assert await modes(cri, await run(cri, handler, **fields)) == (mode, mode)


async def test_the_default_profile_lets_a_container_do_what_its_capabilities_allow(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    mount = ("mount", "-t", "tmpfs", "none", "/tmp")
    able = context(seccomp={}, capabilities={"add_capabilities": ["SYS_ADMIN"]})
    one = await cri.run(pod, SLEEP, "able", linux=able)
    two = await cri.run(pod, SLEEP, "plain", linux=context(seccomp={}))
    assert (await cri.exec(one, *mount)).exit_code == 0
    assert (await cri.exec(two, *mount)).exit_code != 0
    assert b"not permitted" in (await cri.exec(two, BUSYBOX, "unshare", "-m", "true")).stderr


async def test_should_support_seccomp_localhost_profile_on_the_container(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    profile = denying(tmp_path, "chmod", "fchmodat")
    pod = await pod_with(cri, handler, seccomp=profile)
    container = await cri.run(pod, SLEEP, linux=context(seccomp=profile))
    answer = await cri.exec(container, "chmod", "400", "/etc/passwd")
    assert answer.exit_code != 0
    assert b"Operation not permitted" in answer.stderr


@pytest.mark.parametrize(("blocked", "works"), [(False, True), (True, False)])
async def test_sethostname_with_sys_admin_is_decided_by_the_profile(
    cri: Cri, handler: str, tmp_path: Path, blocked: bool, works: bool
) -> None:
    profile = denying(tmp_path, *(["sethostname"] if blocked else ["swapon"]))
    container = await run(
        cri, handler, seccomp=profile, capabilities={"add_capabilities": ["SYS_ADMIN"]}
    )
    assert ((await cri.exec(container, "hostname", "ANewHostName")).exit_code == 0) == works


async def test_runtime_should_ignore_a_seccomp_profile_that_blocks_setting_hostname_when_privileged(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    profile = denying(tmp_path, "sethostname")
    pod = await pod_with(cri, handler, privileged=True, seccomp=profile)
    container = await cri.run(pod, SLEEP, linux=context(privileged=True, seccomp=profile))
    assert await cri.sh(container, "hostname ANewHostName && hostname") == "ANewHostName\n"


def is_executed(status: Path) -> bool:
    """Whether the OCI runtime has become the pod's own process, after it has answered."""
    return status.read_text().startswith("Name:\tcatatonit")


async def test_the_pause_process_has_the_profile_of_the_pod(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    pid_shared: dict[str, Any] = {"namespace_options": {"pid": POD}}
    for profile in ({}, denying(tmp_path, "swapon")):
        pod = await pod_with(cri, handler, seccomp=profile, **pid_shared)
        status = Path(f"/proc/{(await cri.pod_info(pod))['pid']}/status")
        await until(partial(is_executed, status))
        assert "Seccomp:\t2\n" in status.read_text()
        await cri.run(pod, SLEEP, linux=context(**pid_shared))


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "No such file"), ("{", "not JSON"), ("{}", "no seccomp profile")]
)
async def test_a_seccomp_profile_that_cannot_be_used_is_refused_and_leaves_nothing(
    cri: Cri, tmp_path: Path, text: str | None, problem: str
) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text or "")
    shutil.move(path, tmp_path / "profile.json" if text else tmp_path / "elsewhere")
    bad = {"profile_type": LOCALHOST, "localhost_ref": str(path)}
    field = f"^config.linux.security_context.seccomp.localhost_ref: {path}: .*{problem}"
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=field):
        await cri.create(pod, container_config(SLEEP, linux=context(seccomp=bad)))
    assert await cri.containers() == []
    with pytest.raises(InvalidArgument, match=field):
        await pod_with(cri, "", seccomp=bad)
    assert await cri.pods() == [pod]


# -- NoNewPrivs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("no_new_privs", "effective"), [(True, "1000"), (False, "0")])
async def test_privilege_escalation_is_allowed_unless_no_new_privs(
    cri: Cri, handler: str, no_new_privs: bool, effective: str
) -> None:
    program = cri.daemon.directory / "setuid-init"
    shutil.copy("/usr/bin/catatonit", program)
    program.chmod(0o4755)
    mount = api.Mount(host_path=str(program), container_path="/bin/setuid-init")
    pod = await cri.run_pod(handler=handler)
    linux = context(run_as_user={"value": 1000}, no_new_privs=no_new_privs)
    command = ["setuid-init", "--", *SLEEP]
    container = await cri.run(pod, command, linux=linux, mounts=[mount])
    while (status := await process_status(cri, container))["Name"] != program.name:
        pass  # the OCI runtime's own program, which executes it
    assert status["Uid"].split()[:2] == ["1000", effective]
    assert status["NoNewPrivs"] == str(int(no_new_privs))


# -- AppArmor, on a node without it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"apparmor_profile": "localhost/unloaded"}, "apparmor_profile: unloaded"),
        ({"apparmor_profile": "runtime/default"}, "apparmor_profile: RuntimeDefault"),
        (
            {"apparmor": {"profile_type": LOCALHOST, "localhost_ref": "localhost/unloaded"}},
            "apparmor.localhost_ref: unloaded",
        ),
        ({"apparmor": {}}, "apparmor: RuntimeDefault"),
    ],
)
@pytest.mark.skipif(
    Path("/sys/kernel/security/apparmor").exists(), reason="needs a node without AppArmor"
)
async def test_an_apparmor_profile_is_refused_on_a_node_without_apparmor(
    cri: Cri, fields: dict[str, Any], named: str
) -> None:
    pod = await cri.run_pod()
    said = f"^config.linux.security_context.{named}: AppArmor is not enabled"
    with pytest.raises(InvalidArgument, match=said):
        await cri.create(pod, container_config(SLEEP, linux=context(**fields)))
    assert await cri.containers() == []


async def test_selinux_options_are_accepted_on_a_node_without_selinux(
    cri: Cri, handler: str
) -> None:
    container = await run(cri, handler, selinux_options={"level": "s0:c1,c2"})
    assert "selinuxLabel" not in (await cri.info(container))["runtimeSpec"]["process"]
