"""critest, security_context_linux.go: namespaces, users and groups, capabilities, paths."""

import socket
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.linux.process import own_bounding_caps
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri

SLEEP = ["sleep", "1000"]
NO_CAPABILITIES = "0" * 16


def option(**modes: int) -> api.NamespaceOption:
    return api.NamespaceOption(**modes)  # type: ignore[arg-type]


def capability(**changes: list[str]) -> api.Capability:
    return api.Capability(**changes)


async def masks(cri: Cri, container: str) -> dict[str, str]:
    """CapBnd, CapEff, ... of a process in the container."""
    text = await cri.sh(container, "grep ^Cap /proc/self/status")
    return {line.split(":")[0]: line.split()[1] for line in text.splitlines()}


# -- NamespaceOption ----------------------------------------------------------------------------


async def test_runtime_should_support_host_pid(specs) -> None:
    pod = await specs.pod(option(pid=api.NODE))
    one = await specs.container(pod, ["sleep", "4711"], namespace_options=option(pid=api.NODE))
    two = await specs.container(pod, SLEEP, namespace_options=option(pid=api.NODE))
    pid = (await specs.cri.info(one))["pid"]

    seen = await specs.cri.sh(two, f"cat /proc/{pid}/cmdline")

    assert seen == "sleep\x004711\x00"


async def test_runtime_should_support_pod_pid(specs) -> None:
    pod = await specs.pod(option(pid=api.POD))
    container = await specs.container(pod, SLEEP, namespace_options=option(pid=api.POD))

    assert "sleep" not in await specs.cri.sh(container, "cat /proc/1/cmdline")


async def test_runtime_should_support_container_pid(specs) -> None:
    pod = await specs.pod(option(pid=api.CONTAINER))
    container = await specs.container(pod, SLEEP, namespace_options=option(pid=api.CONTAINER))

    assert "sleep" in await specs.cri.sh(container, "cat /proc/1/cmdline")


@pytest.mark.parametrize(("mode", "same"), [(api.NODE, True), (api.POD, False)])
async def test_runtime_should_support_host_ipc(specs, mode: int, same: bool) -> None:
    pod = await specs.pod(option(ipc=mode))
    container = await specs.container(pod, SLEEP, namespace_options=option(ipc=mode))

    inside = (await specs.cri.sh(container, "readlink /proc/self/ns/ipc")).strip()

    assert (inside == str(Path("/proc/self/ns/ipc").readlink())) is same


@pytest.mark.parametrize(("mode", "seen"), [(api.NODE, True), (api.POD, False)])
async def test_runtime_should_support_host_network(specs, mode: int, seen: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = f"{listening.getsockname()[1]:04X}"
        pod = await specs.pod(option(network=mode))
        container = await specs.container(pod, SLEEP, namespace_options=option(network=mode))

        table = await specs.cri.sh(container, "cat /proc/net/tcp")

    assert (f"0100007F:{port}" in table) is seen


# -- bucket: users and groups -------------------------------------------------------------------


async def test_runtime_should_support_supplemental_groups(specs) -> None:
    container = await specs.container(await specs.pod(), SLEEP, supplemental_groups=[1234, 5678])

    groups = (await specs.cri.sh(container, "id -G")).split()

    assert {"1234", "5678"} < set(groups)


async def test_runtime_should_support_run_as_user(specs) -> None:
    container = await specs.container(
        await specs.pod(), SLEEP, run_as_user=api.Int64Value(value=1001)
    )

    assert await specs.cri.sh(container, "id -u") == "1001\n"


async def test_runtime_should_support_run_as_user_name(specs) -> None:
    container = await specs.container(await specs.pod(), SLEEP, run_as_username="web")

    assert await specs.cri.sh(container, "id -nu") == "web\n"


async def test_runtime_should_support_run_as_group(specs) -> None:
    container = await specs.container(
        await specs.pod(),
        ["sh", "-c", "echo $(id -u):$(id -g)"],
        run_as_user=api.Int64Value(value=1001),
        run_as_group=api.Int64Value(value=1002),
    )

    assert await specs.output(container) == [("stdout", "1001:1002")]


async def test_runtime_should_return_error_if_run_as_group_is_set_without_run_as_user(
    specs,
) -> None:
    pod = await specs.pod()

    with pytest.raises(InvalidArgument, match="run_as_group"):
        await specs.created(pod, SLEEP, run_as_group=api.Int64Value(value=1002))

    assert await specs.cri.containers() == []


# -- bucket: the root file system, privileges, capabilities ------------------------------------


async def test_runtime_should_support_that_read_only_rootfs_is_false(specs) -> None:
    script = "echo word >/test.go && [ -n /test.go ] && echo Found"
    container = await specs.container(
        await specs.pod(), ["sh", "-c", script], readonly_rootfs=False
    )

    assert await specs.output(container) == [("stdout", "Found")]


async def test_runtime_should_support_that_read_only_rootfs_is_true(specs) -> None:
    container = await specs.container(
        await specs.pod(), ["touch", "/test.go"], readonly_rootfs=True
    )

    said = await specs.output(container)

    assert said == [("stderr", "touch: /test.go: Read-only file system")]


async def test_runtime_should_support_privileged_is_true(specs) -> None:
    container = await specs.container(await specs.pod(privileged=True), SLEEP, privileged=True)

    await specs.cri.sh(container, "mount -t tmpfs none /tmp && ip addr add 10.9.9.9/32 dev lo")

    bounding = int((await masks(specs.cri, container))["CapBnd"], 16)
    assert bounding.bit_count() == len(own_bounding_caps())
    assert await specs.cri.sh(container, "test -w /proc/sys && test -c /dev/null && echo ok")


async def test_runtime_should_support_privileged_is_false(specs) -> None:
    container = await specs.container(await specs.pod(), SLEEP, privileged=False)

    mount = await specs.cri.exec(container, "mount", "-t", "tmpfs", "none", "/tmp")
    address = await specs.cri.exec(container, "ip", "addr", "add", "10.9.9.9/32", "dev", "lo")

    assert mount.exit_code
    assert address.exit_code


async def test_runtime_should_support_adding_capability(specs) -> None:
    pod = await specs.pod()
    command = ["ip", "addr", "add", "10.9.9.9/32", "dev", "lo"]
    without = await specs.container(pod, SLEEP)
    with_it = await specs.container(
        pod, SLEEP, capabilities=capability(add_capabilities=["NET_ADMIN"])
    )

    assert (await specs.cri.exec(without, *command)).exit_code != 0
    assert (await specs.cri.exec(with_it, *command)).exit_code == 0


async def test_runtime_should_support_dropping_capability(specs) -> None:
    container = await specs.container(
        await specs.pod(), SLEEP, capabilities=capability(drop_capabilities=["NET_RAW"])
    )

    ping = await specs.cri.exec(container, "ping", "-c", "1", "127.0.0.1")

    assert ping.exit_code != 0
    assert b"permission denied" in ping.stderr


async def test_runtime_should_support_adding_all_capabilities(specs) -> None:
    container = await specs.container(
        await specs.pod(), SLEEP, capabilities=capability(add_capabilities=["ALL"])
    )

    bounding = int((await masks(specs.cri, container))["CapBnd"], 16)

    assert bounding.bit_count() == len(own_bounding_caps())


async def test_runtime_should_support_dropping_all_capabilities(specs) -> None:
    container = await specs.container(
        await specs.pod(), SLEEP, capabilities=capability(drop_capabilities=["ALL"])
    )

    found = await masks(specs.cri, container)

    assert set(found.values()) == {NO_CAPABILITIES}


async def test_what_is_added_beside_dropping_all_is_all_there_is(specs) -> None:
    changes = capability(drop_capabilities=["ALL"], add_capabilities=["CHOWN"])
    container = await specs.container(await specs.pod(), SLEEP, capabilities=changes)

    assert (await masks(specs.cri, container))["CapBnd"] == f"{1:016x}"


async def test_ambient_capabilities_reach_a_user_that_is_not_root(specs) -> None:
    container = await specs.container(
        await specs.pod(),
        SLEEP,
        run_as_user=api.Int64Value(value=1001),
        capabilities=capability(add_ambient_capabilities=["NET_BIND_SERVICE"]),
    )

    found = await masks(specs.cri, container)

    assert found["CapEff"] == found["CapAmb"] == f"{1 << 10:016x}"


async def test_runtime_should_support_masked_paths(specs) -> None:
    container = await specs.container(await specs.pod(), SLEEP, masked_paths=["/bin/ls", "/home"])

    masked = await specs.cri.exec(container, "/bin/sh", "-c", "/bin/ls")

    assert masked.exit_code == 126
    assert masked.stderr == b"/bin/sh: /bin/ls: Permission denied\n"
    assert await specs.cri.sh(container, "cat /bin/ls; echo /home/*") == "/home/*\n"


async def test_runtime_should_support_readonly_paths(specs) -> None:
    container = await specs.container(await specs.pod(), SLEEP, readonly_paths=["/tmp"])

    touch = await specs.cri.exec(container, "touch", "/tmp/test")

    assert touch.exit_code != 0
    assert touch.stderr == b"touch: /tmp/test: Read-only file system\n"


# -- SupplementalGroupsPolicy -------------------------------------------------------------------

GROUPS = [
    (api.Merge, [1000, 1234, 50]),
    (api.Strict, [1000, 1234]),
]


@pytest.mark.parametrize(("policy", "expected"), GROUPS)
async def test_the_images_groups_are_added_under_merge_and_not_under_strict(
    specs, policy: int, expected: list[int]
) -> None:
    container = await specs.container(
        await specs.pod(),
        ["sh", "-c", "id -G; sleep 1000"],
        run_as_user=api.Int64Value(value=1000),
        supplemental_groups=[1234],
        supplemental_groups_policy=policy,
    )

    user = (await specs.cri.status(container)).user.linux

    assert (user.uid, user.gid) == (1000, 1000)
    assert sorted(user.supplemental_groups) == sorted(expected)
    inside = await specs.cri.sh(container, "id -G; cat /proc/1/status >/dev/null")
    assert sorted(map(int, inside.split())) == sorted(expected)


# -- NoNewPrivs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("no_new_privs", "effective"), [(True, "1000"), (False, "0")])
async def test_a_setuid_program_raises_privileges_unless_no_new_privs(
    specs, nonewprivs: str, no_new_privs: bool, effective: str
) -> None:
    container = await specs.container(
        await specs.pod(),
        [],
        image=nonewprivs,
        run_as_user=api.Int64Value(value=1000),
        no_new_privs=no_new_privs,
    )

    assert await specs.output(container) == [("stdout", f"Effective uid: {effective}")]
