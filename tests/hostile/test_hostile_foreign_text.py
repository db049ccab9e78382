"""Text of tenants that the kernel shows to the daemon does not affect other tenants."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.errors import InvalidArgument
from cri_shim.linux import mounts
from cri_shim.oci import find_conmon
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.images import Image, Tar, busybox_layer

SLEEP = ["sleep", "60"]


@pytest.mark.parametrize("name", [b"d\xffx", b"d\x1cx", "d\u2028x".encode(), b"d\x1b[2Jx"])
async def test_any_interface_name_works_in_statistics(cri: Cri, name: bytes) -> None:
    odd, plain = await cri.run_pod(), await cri.run_pod()
    # The script of a container with CAP_NET_ADMIN.
    inside = ["ip", "netns", "exec", f"cri-shim-{odd}"]
    await child.run([*inside, "ip", "link", "add", os.fsdecode(name), "type", "veth"])
    answer = await cri.runtime.ListPodSandboxStats(api.ListPodSandboxStatsRequest())
    shown = {stats.attributes.id: stats.linux.network for stats in answer.stats}
    assert shown.keys() == {odd, plain}
    assert shown[plain].default_interface.name == "eth0"
    assert len(shown[odd].interfaces) == len(shown[plain].interfaces) + 2
    metrics = await cri.runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest())
    assert {pod.pod_sandbox_id for pod in metrics.pod_metrics} == {odd, plain}


async def test_a_pod_with_thousands_of_interfaces_has_bounded_statistics(cri: Cri) -> None:
    pod = await cri.run_pod()
    lines = "".join(f"link add a{n} type veth peer name b{n}\n" for n in range(1500))
    inside = ["ip", "netns", "exec", f"cri-shim-{pod}", "ip", "-batch", "-"]
    assert (await child.run(inside, stdin=lines.encode())).returncode == 0
    answer = await cri.runtime.ListPodSandboxStats(api.ListPodSandboxStatsRequest())
    (stats,) = answer.stats
    assert 1000 < len(stats.linux.network.interfaces) < 2500


@pytest.fixture(params=["a\rb", "a\fb", "a\x1cb", "a\u2028b", "a\udcffb"])
def odd_mount(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """As the kubelet makes for a subPath: its name is the tenant's."""
    directory = tmp_path / request.param
    directory.mkdir()
    mounts.bind(directory, directory)
    yield directory
    mounts.unmount(directory)


async def test_any_mount_point_name_on_the_node_works(cri: Cri, odd_mount: Path) -> None:
    pod = await cri.run_pod()
    mount = api.Mount(host_path=str(odd_mount.parent), container_path="/v")
    mount.propagation = api.PROPAGATION_PRIVATE
    container = await cri.run(pod, SLEEP, mounts=[mount])
    assert await cri.sh(container, "ls /v | wc -l") == "1\n"
    assert odd_mount in [found.target for found in mounts.mountinfo()]
    await cri.remove_pod(pod)
    assert await cri.pods() == []


ODD = {
    "fifo": Tar().fifo("etc/passwd"),
    "large": Tar().file("etc/passwd", b"x" * (5 << 20)),
    "digits": Tar().file("etc/passwd", b"web:x:" + b"1" * 5000 + b":0::/:/bin/sh\n"),
    "group of digits": Tar()
    .file("etc/passwd", b"web:x:1:1::/:/bin/sh\n")
    .file("etc/group", b"web:x:" + b"1" * 5000 + b":web\n"),
}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fifo", "its /etc/passwd is not a regular file"),
        ("large", "its /etc/passwd is larger than"),
        ("digits", "no user 'web' in /etc/passwd of the image"),
        ("group of digits", "no group 'web' in /etc/group of the image"),
    ],
)
async def test_users_files_of_an_image_that_cannot_be_used_are_refused(
    cri: Cri, tmp_path: Path, name: str, problem: str
) -> None:
    image = Image([busybox_layer(), ODD[name]], {"User": "web:web", "Env": ["PATH=/bin"]})
    archive = image.write_docker_archive(tmp_path / "i.tar", ["localhost/odd:1"])
    request = control.LoadImageRequest(source=f"docker-archive:{archive}")
    await cri.control.LoadImage(request)
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=problem):
        await cri.create(pod, container_config(SLEEP, image="localhost/odd:1"))
    assert await cri.containers() == []
    await cri.run(pod, SLEEP)
    image_spec = api.ImageSpec(image="localhost/odd:1")
    await cri.image.RemoveImage(api.RemoveImageRequest(image=image_spec))


async def test_a_container_cannot_imitate_the_monitor_of_another(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    victim = await cri.run(pod, SLEEP, "victim")
    script = f"cd /tmp; busybox mkfifo {victim}; exec od -c {victim} -- --persist-dir"
    impostor = await cri.run(pod, ["sh", "-c", script], "impostor")
    monitor = (await cri.info(victim))["monitorPid"]
    while not (await cri.sh(impostor, "cat /proc/1/cmdline")).startswith("od"):
        pass
    assert [found.pid for found in find_conmon.of(victim)] == [monitor]
