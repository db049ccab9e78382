"""critest container_linux.go and container.go, the mounts: propagation, read-only, symlinks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.linux import mounts, syscalls
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config

PRIVATE, RSLAVE, RSHARED = (
    api.PROPAGATION_PRIVATE,
    api.PROPAGATION_HOST_TO_CONTAINER,
    api.PROPAGATION_BIDIRECTIONAL,
)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory that propagates mounts, with places to mount at, and a `seed`."""
    mounts.bind(tmp_path, tmp_path)
    syscalls.mount(None, tmp_path, None, syscalls.MS_PRIVATE)
    mounts.make_shared(tmp_path)
    for name in ("in", "seed", "back"):
        (tmp_path / name).mkdir()
    (tmp_path / "seed" / "file").touch()
    yield tmp_path
    for path in mounts.mounts_below(tmp_path):
        mounts.unmount(path)


async def privileged(cri: Cri, handler: str, mount: api.Mount) -> str:
    """A running privileged container with one mount."""
    config = pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig())
    config.linux.security_context.privileged = True
    pod = await cri.run_pod(config, handler=handler)
    container = container_config(["sleep", "60"], mounts=[mount])
    container.linux.security_context.privileged = True
    created = await cri.create(pod, container)
    assert list((await cri.status(created)).mounts) == [mount]
    await cri.start(created)
    return created


@pytest.mark.parametrize(
    ("propagation", "appears", "returns"),
    [(PRIVATE, False, False), (RSLAVE, True, False), (RSHARED, True, True)],
    ids=["rprivate", "rslave", "rshared"],
)
async def test_mount_propagation_is_as_requested(
    cri: Cri, handler: str, shared: Path, propagation: int, appears: bool, returns: bool
) -> None:
    mount = api.Mount(container_path="/mnt", host_path=str(shared), propagation=propagation)  # type: ignore[arg-type]
    container = await privileged(cri, handler, mount)
    mounts.bind(shared / "seed", shared / "in")
    await cri.sh(container, "mount -o bind /mnt/seed /mnt/back")
    assert ("file" in await cri.sh(container, "ls /mnt/in")) is appears
    assert (shared / "back" / "file").exists() is returns


@pytest.mark.parametrize("propagation", [RSLAVE, RSHARED])
async def test_a_source_that_cannot_propagate_is_refused(
    cri: Cri, shared: Path, propagation: int
) -> None:
    syscalls.mount(None, shared, None, syscalls.MS_PRIVATE)
    mount = api.Mount(container_path="/mnt", host_path=str(shared), propagation=propagation)  # type: ignore[arg-type]
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=r"config.mounts\[0\].propagation: .*make-rshared"):
        await cri.create(pod, container_config(["true"], mounts=[mount]))


@pytest.mark.parametrize(("recursive", "below"), [(False, 0), (True, 1)])
async def test_readonly_is_recursive_only_if_requested(
    cri: Cri, handler: str, shared: Path, recursive: bool, below: int
) -> None:
    mounts.tmpfs(shared / "in", 1 << 20, 0o755)
    mount = api.Mount(
        container_path="/mnt",
        host_path=str(shared),
        readonly=True,
        recursive_read_only=recursive,
    )
    container = await privileged(cri, handler, mount)
    top = await cri.exec(container, "touch", "/mnt/file")
    assert (top.exit_code, b"Read-only file system" in top.stderr) == (1, True)
    inner = await cri.exec(container, "touch", "/mnt/in/file")
    assert inner.exit_code == below
    assert (b"Read-only file system" in inner.stderr) is recursive


@pytest.mark.parametrize(
    "fields",
    [
        {"readonly": True, "propagation": RSLAVE},
        {"readonly": True, "propagation": RSHARED},
        {"readonly": False},
    ],
    ids=["rslave", "rshared", "writable"],
)
async def test_recursive_readonly_is_refused_with_propagation_or_without_readonly(
    cri: Cri, shared: Path, fields: dict[str, int]
) -> None:
    mount = api.Mount(
        container_path="/mnt",
        host_path=str(shared),
        recursive_read_only=True,
        **fields,  # type: ignore[arg-type]
    )
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=r"^RROUnsupported: config.mounts\[0\]"):
        await cri.create(pod, container_config(["true"], mounts=[mount]))
    assert await cri.containers() == []


async def test_status_lists_recursive_read_only_mounts_as_a_feature(cri: Cri) -> None:
    status = await cri.runtime.Status(api.StatusRequest())
    told = {h.name: h.features.recursive_read_only_mounts for h in status.runtime_handlers}
    assert told == {"": True, "crun": True, "runc": True}
    assert status.features.mount_options


async def test_a_symlinked_source_is_mounted_and_reported_as_requested(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    mount = api.Mount(
        container_path="/data", host_path=str(tmp_path / "link"), selinux_relabel=True
    )
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[mount])
    assert await cri.sh(container, "ls -A /data") == "file\n"
    assert list((await cri.status(container)).mounts) == [mount]


async def test_options_are_those_of_the_mount(cri: Cri, handler: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o755)
    pod = await cri.run_pod(handler=handler)
    mount = api.Mount(
        container_path="/data", host_path=str(tmp_path), mount_options=["noexec", "nodev"]
    )
    container = await cri.run(pod, ["sleep", "60"], mounts=[mount])
    options = (await cri.sh(container, "grep ' /data ' /proc/self/mountinfo")).split()[5]
    assert {"rw", "noexec", "nodev"} <= set(options.split(","))
    assert (await cri.exec(container, "sh", "-c", "/data/script")).exit_code == 126


async def test_an_option_that_would_do_nothing_is_refused(cri: Cri, tmp_path: Path) -> None:
    mount = api.Mount(container_path="/data", host_path=str(tmp_path), mount_options=["size=1m"])
    pod = await cri.run_pod()
    with pytest.raises(InvalidArgument, match=r"config.mounts\[0\].mount_options\[0\]: 'size=1m'"):
        await cri.create(pod, container_config(["true"], mounts=[mount]))


async def test_a_file_can_be_mounted_over_a_file(cri: Cri, handler: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("mine")
    mount = api.Mount(container_path="/etc/hosts", host_path=str(tmp_path / "hosts"))
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[mount])
    assert await cri.sh(container, "cat /etc/hosts") == "mine"
