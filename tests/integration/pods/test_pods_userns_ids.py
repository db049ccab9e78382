"""A pod whose groups have another range than its users."""

from pathlib import Path
from typing import Any

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, log_lines, pod_config

USERS = {"container_id": 0, "host_id": 100000, "length": 65536}
GROUPS = {"container_id": 0, "host_id": 300000, "length": 65536}
USERNS: Any = {"mode": api.POD, "uids": [USERS], "gids": [GROUPS]}
OPTIONS = api.NamespaceOption(pid=api.POD, userns_options=USERNS)


def owners(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


async def run_pod(cri: Cri, handler: str) -> str:
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=OPTIONS)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    linux.sysctls["net.ipv4.ping_group_range"] = "0 7"
    return await cri.run_pod(pod_config(cri.daemon, linux=linux), handler)


def inside(user: int = 0, group: int = 0) -> api.LinuxContainerConfig:
    context = api.LinuxContainerSecurityContext(namespace_options=OPTIONS)
    context.run_as_user.value, context.run_as_group.value = user, group
    return api.LinuxContainerConfig(security_context=context)


async def test_users_and_groups_are_mapped_by_separate_ranges(cri: Cri, handler: str) -> None:
    pod = await run_pod(cri, handler)
    script = (
        "cat /proc/self/uid_map /proc/self/gid_map; stat -c '%u %g' /bin/sh /dev/shm /etc/hosts;"
        "cat /proc/sys/net/ipv4/ping_group_range"
    )
    ended = await cri.exited(await cri.run(pod, ["sh", "-c", script], linux=inside()))
    found = [" ".join(line.split()) for line in log_lines(ended)]
    assert found[:2] == ["0 100000 65536", "0 300000 65536"]
    assert found[2:] == ["0 0", "0 0", "0 0", "0 7"]


async def test_new_files_have_the_mapped_user_and_group(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    source = tmp_path / "volume"
    source.mkdir(mode=0o777)
    source.chmod(0o777)
    pod = await run_pod(cri, handler)
    volume: Any = {
        "container_path": "/v", "host_path": str(source), "uidMappings": [USERS],
        "gidMappings": [GROUPS],
    }  # fmt: skip
    script = "touch /v/mapped /dev/shm/file; echo x > /tmp/own; sleep 600"
    container = await cri.run(
        pod, ["sh", "-c", script], linux=inside(5, 6), mounts=[api.Mount(**volume)]
    )
    pid = (await cri.info(container))["pid"]
    await cri.sh(container, "while [ ! -e /tmp/own ]; do usleep 10000; done")
    assert owners(source / "mapped") == (5, 6)
    assert owners(Path(f"/proc/{pid}/root/dev/shm/file")) == (100005, 300006)
    assert owners(Path(f"/proc/{pid}/root/tmp/own")) == (100005, 300006)
    assert await cri.sh(container, "id -u; id -g; stat -c '%u %g' /tmp/own") == "5\n6\n5 6\n"
