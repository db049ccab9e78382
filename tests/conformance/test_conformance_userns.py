"""User namespaces: critest's UserNamespaces specs, by name, and what pods with one can do."""

import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.busybox import NAME
from tests.fixtures.cri import Cri, container_config, log_lines, pod_config

POD, CONTAINER, NODE, TARGET = api.POD, api.CONTAINER, api.NODE, api.TARGET
BASE, LENGTH = 1000, 100000  # critest's own
MAPPING = {"container_id": 0, "host_id": BASE, "length": LENGTH}
USERNS: dict[str, Any] = {"mode": POD, "uids": [MAPPING], "gids": [MAPPING]}
FIELD = r"^config\.linux\.security_context\.namespace_options"


def options(**more: Any) -> dict[str, Any]:
    return {"namespace_options": {"pid": CONTAINER, "userns_options": USERNS, **more}}


def of_pod(cri: Cri, **fields: Any) -> api.PodSandboxConfig:
    context = api.LinuxSandboxSecurityContext(**(fields or options()))
    linux = api.LinuxPodSandboxConfig(security_context=context)
    return pod_config(cri.daemon, linux=linux, hostname="inside")


def of_container(**fields: Any) -> api.LinuxContainerConfig:
    context = api.LinuxContainerSecurityContext(**{**options(), **fields})
    return api.LinuxContainerConfig(security_context=context)


async def run(cri: Cri, handler: str, **fields: Any) -> str:
    pod = await cri.run_pod(of_pod(cri), handler)
    return await cri.run(pod, ["sleep", "60"], linux=of_container(), **fields)


async def test_runtime_should_support_namespace_mode_pod(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(of_pod(cri), handler)
    container = await cri.run(pod, ["cat", "/proc/self/uid_map"], linux=of_container())
    assert " ".join(log_lines(await cri.exited(container))).split() == ["0", "1000", "100000"]


async def test_runtime_should_support_namespace_mode_node(cri: Cri, handler: str) -> None:
    node: dict[str, Any] = {
        "namespace_options": {"pid": CONTAINER, "userns_options": {"mode": NODE}}
    }
    pod = await cri.run_pod(of_pod(cri, **node), handler)
    container = await cri.run(pod, ["cat", "/proc/self/uid_map"], linux=of_container(**node))
    own = Path("/proc/self/uid_map").read_text()
    assert " ".join(log_lines(await cri.exited(container))).split() == own.split()


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"uids": [MAPPING, MAPPING]}, r"userns_options\.uids: 2 mappings"),
        ({"gids": [MAPPING, MAPPING]}, r"userns_options\.gids: 2 mappings"),
        ({"uids": []}, r"userns_options\.uids: 0 mappings"),
        ({"uids": [{**MAPPING, "container_id": 1}]}, r"userns_options\.uids\[0\]\.container_id"),
        ({"uids": [{**MAPPING, "length": 0}]}, r"userns_options\.uids\[0\]\.length"),
        ({"gids": [{**MAPPING, "container_id": 1}]}, r"userns_options\.gids\[0\]\.container_id"),
        ({"mode": CONTAINER}, r"userns_options\.mode"),
        ({"mode": TARGET}, r"userns_options\.mode"),
        ({"mode": NODE}, r"userns_options\.mode: NODE has no mappings"),
    ],
)
async def test_runtime_should_fail_with_other_mappings_and_modes(
    cri: Cri, bad: dict[str, Any], field: str
) -> None:
    wrong = options(userns_options={**USERNS, **bad})
    with pytest.raises(InvalidArgument, match=f"{FIELD}.{field}"):
        await cri.run_pod(of_pod(cri, **wrong))
    assert await cri.pods() == []


@pytest.mark.parametrize("field", ["ipc", "pid"])
async def test_a_namespace_of_the_node_is_refused_with_a_user_namespace(
    cri: Cri, field: str
) -> None:
    wrong = options(**{field: NODE})
    with pytest.raises(InvalidArgument, match=rf"{FIELD}\.{field}: NODE"):
        await cri.run_pod(of_pod(cri, **wrong))
    pod = await cri.run_pod(of_pod(cri))
    with pytest.raises(InvalidArgument, match=rf"{FIELD}\.{field}: NODE"):
        await cri.create(pod, container_config(["sh"], linux=of_container(**wrong)))
    assert await cri.containers() == []


async def test_a_container_cannot_have_another_user_namespace_than_its_pod(cri: Cri) -> None:
    plain: dict[str, Any] = {"namespace_options": {"pid": CONTAINER}}
    with_one = await cri.run_pod(of_pod(cri))
    without = await cri.run_pod(of_pod(cri, **plain))
    node = options(userns_options={"mode": NODE})
    for pod, fields in ((without, options()), (with_one, node)):
        with pytest.raises(
            InvalidArgument, match=rf"{FIELD}\.userns_options: is not that of the pod"
        ):
            await cri.create(pod, container_config(["sh"], linux=of_container(**fields)))
    outside = of_container(namespace_options={"pid": NODE})
    with pytest.raises(InvalidArgument, match=rf"{FIELD}\.pid: NODE, but the pod has a user names"):
        await cri.create(with_one, container_config(["sh"], linux=outside))
    assert await cri.containers() == []


async def test_every_handler_that_works_has_user_namespaces(cri: Cri) -> None:
    answer = await cri.runtime.Status(api.StatusRequest())
    offered = {one.name: one.features.user_namespaces for one in answer.runtime_handlers}
    assert offered == {"": True, "crun": True, "runc": True}


async def test_all_namespaces_of_the_pod_belong_to_its_user_namespace(
    cri: Cri, handler: str
) -> None:
    linux = of_pod(cri).linux
    linux.sysctls.update({"kernel.shm_rmid_forced": "1", "net.ipv4.ip_forward": "1"})
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux, hostname="inside"), handler)
    linux_inside = of_container(capabilities={"add_capabilities": ["NET_ADMIN", "SYS_ADMIN"]})
    one = await cri.run(pod, ["sleep", "60"], linux=linux_inside)
    two = await cri.run(pod, ["sleep", "60"], "two", linux=of_container())
    kinds = ("user", "net", "ipc", "uts")
    spaces = [[_namespace(await cri.info(c), kind) for kind in kinds] for c in (one, two)]
    assert spaces[0] == spaces[1]
    assert all(space != _own(kind) for kind, space in zip(kinds, spaces[0], strict=True))
    script = "hostname && cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_forward"
    assert (await cri.sh(two, script)).split() == ["inside", "1", "1"]
    await cri.sh(one, "hostname other && ip link add foobar type bridge")
    assert (await cri.pod_status(pod)).network.ip in await cri.sh(one, "ip address")


def _namespace(info: dict[str, Any], kind: str) -> str:
    return str(Path(f"/proc/{info['pid']}/ns/{kind}").readlink())


def _own(kind: str) -> str:
    return str(Path(f"/proc/self/ns/{kind}").readlink())


async def test_root_inside_owns_its_files_and_is_another_user_on_the_node(
    cri: Cri, handler: str
) -> None:
    container = await run(cri, handler)
    owners = await cri.sh(
        container,
        "touch /new /dev/shm/new && stat -c %u:%g / /bin/sh /new /dev/shm /dev/shm/new"
        " /etc/resolv.conf /etc/hosts /etc/hostname && echo nobody > /etc/passwd",
    )
    assert set(owners.split()) == {"0:0"}
    info = await cri.info(container)
    assert Path(f"/proc/{info['pid']}").stat().st_uid == BASE
    upper = cri.daemon.root / "containers" / container / "upper"
    assert {(upper / name).stat().st_uid for name in ("new", "etc/passwd")} == {BASE}
    assert (await cri.status(container)).user.linux.uid == 0


async def test_a_user_inside_has_the_groups_of_the_image(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(of_pod(cri), handler)
    user = of_container(run_as_user={"value": 1000}, supplemental_groups=[1234])
    container = await cri.run(pod, ["sleep", "60"], linux=user)
    assert sorted(map(int, (await cri.sh(container, "id -G")).split())) == [50, 1000, 1234]
    status = (await cri.status(container)).user.linux
    assert (status.uid, sorted(status.supplemental_groups)) == (1000, [50, 1000, 1234])
    pid = (await cri.info(container))["pid"]
    assert Path(f"/proc/{pid}").stat().st_uid == BASE + 1000


async def test_containers_of_a_pod_with_a_user_namespace_can_share_its_pid_namespace(
    cri: Cri, handler: str
) -> None:
    shared = options(pid=POD)
    pod = await cri.run_pod(of_pod(cri, **shared, seccomp={}), handler)
    one = await cri.run(pod, ["sleep", "111"], "one", linux=of_container(**shared))
    debug = of_container(**options(pid=TARGET, target_id=one))
    two = await cri.run(pod, ["sleep", "222"], "two", linux=debug)
    processes = await cri.sh(two, "ps")
    assert "catatonit" in processes
    assert "sleep 111" in processes


async def test_a_volume_with_the_pods_mapping_has_its_ids_and_does_not_stay_busy(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    volume, file = tmp_path / "volume", tmp_path / "file"
    volume.mkdir()
    volume.chmod(0o700)
    (volume / "given").touch()
    file.write_text("content")
    mapped: dict[str, Any] = {"uidMappings": [MAPPING], "gidMappings": [MAPPING]}
    mounts = [
        api.Mount(host_path=str(volume), container_path="/volume", **mapped),
        api.Mount(host_path=str(file), container_path="/file", readonly=True, **mapped),
        api.Mount(host_path=str(tmp_path), container_path="/plain"),
    ]
    container = await run(cri, handler, mounts=mounts)
    seen = await cri.sh(
        container, "touch /volume/new && stat -c %u /volume /volume/given /file /plain; cat /file"
    )
    assert seen.split() == ["0", "0", "0", "65534", "content"]
    assert (volume / "new").stat().st_uid == os.getuid()
    places = cri.daemon.run_root / "containers" / container / "volumes"
    assert [place for place in places.glob("*/owned") if place.is_mount()] == []
    assert (await cri.exec(container, "touch", "/file")).exit_code != 0


async def test_a_volume_with_another_mapping_than_the_pods_is_refused(
    cri: Cri, tmp_path: Path
) -> None:
    inside = await cri.run_pod(of_pod(cri))
    plain: dict[str, Any] = {"namespace_options": {"pid": CONTAINER}}
    outside = await cri.run_pod(of_pod(cri, **plain))
    other = {**MAPPING, "host_id": 5000}
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        (inside, {"uidMappings": [other], "gidMappings": [other]}, {}),
        (inside, {"uidMappings": [MAPPING]}, {}),
        (outside, {"uidMappings": [MAPPING], "gidMappings": [MAPPING]}, plain),
    ]
    for pod, mapping, fields in cases:
        mount = api.Mount(host_path=str(tmp_path), container_path="/volume", **mapping)
        config = container_config(["sh"], linux=of_container(**fields), mounts=[mount])
        with pytest.raises(InvalidArgument, match=r"^config\.mounts\[0\]\.[ug]idMappings"):
            await cri.create(pod, config)
    assert await cri.containers() == []


async def test_a_volume_whose_file_system_cannot_be_idmapped_is_refused(cri: Cri) -> None:
    pod = await cri.run_pod(of_pod(cri))
    mapped: dict[str, Any] = {"uidMappings": [MAPPING], "gidMappings": [MAPPING]}
    mount = api.Mount(host_path="/proc/sys", container_path="/volume", **mapped)
    config = container_config(["sh"], linux=of_container(), mounts=[mount])
    with pytest.raises(InvalidArgument, match=r"^config\.mounts\[0\]\.uidMappings: the file syst"):
        await cri.create(pod, config)
    assert await cri.containers() == []


async def test_a_terminal_and_seccomp_and_a_read_only_root_work_inside(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(of_pod(cri), handler)
    linux = of_container(seccomp={}, readonly_rootfs=True, no_new_privs=True)
    container = await cri.run(pod, ["sh", "-c", "tty; sleep 60"], linux=linux, tty=True)
    answer = await cri.exec(container, "touch", "/new")
    assert b"Read-only file system" in answer.stderr
    assert "Seccomp:\t2" in await cri.sh(container, "cat /proc/self/status")


async def test_a_privileged_container_is_so_inside_its_user_namespace_only(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(of_pod(cri, **options(), privileged=True), handler)
    container = await cri.run(pod, ["sleep", "60"], linux=of_container(privileged=True))
    await cri.sh(container, "ip link add foobar type bridge && mount -t tmpfs none /tmp")
    answer = await cri.exec(container, "busybox", "mknod", "/null2", "c", "1", "3")
    assert b"Operation not permitted" in answer.stderr
    answer = await cri.exec(container, "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq")
    assert answer.exit_code != 0


async def test_an_image_volume_and_a_declared_one_have_the_pods_ids(cri: Cri, handler: str) -> None:
    image = api.Mount(container_path="/image", readonly=True, image=api.ImageSpec(image=NAME))
    container = await run(cri, handler, mounts=[image])
    seen = await cri.sh(container, "stat -c %u /image /image/bin/sh")
    assert seen.split() == ["0", "0"]
