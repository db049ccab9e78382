"""Mounts whose source does not exist, on a node that is configured to make a directory for them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

NOT_CREATED = "/run/cst-not-created/name"
MAPPING: Any = {"container_id": 0, "host_id": 100000, "length": 65536}


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cdi")


@pytest.fixture(scope="module")
def daemon(specs: Path) -> Iterator[Daemon]:
    settings: Any = {
        "containers.missing_mount_source": "create",
        "containers.not_created_mount_sources": [NOT_CREATED],
        "containers.cdi_spec_dirs": [str(specs)],
    }
    with private_daemon(**settings) as started:
        yield started


def mount(path: Path | str, **fields: Any) -> api.Mount:
    return api.Mount(container_path="/data", host_path=str(path), **fields)


async def test_a_directory_is_made_for_a_mount_and_stays(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    missing = tmp_path / "a/b"
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[mount(missing)])
    assert await cri.sh(container, "touch /data/file; stat -c %a:%u:%g /data") == "755:0:0\n"
    await cri.remove_all()
    assert (missing / "file").exists()
    assert [oct(path.stat().st_mode) for path in (missing, missing.parent)] == ["0o40755"] * 2


async def test_a_directory_made_for_a_pod_with_ids_of_its_own_is_its_roots(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    ids = [api.IDMapping(**MAPPING)]
    options = api.NamespaceOption(pid=api.CONTAINER)
    options.userns_options.CopyFrom(api.UserNamespace(mode=api.POD, uids=ids, gids=ids))
    config = pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h")
    config.linux.security_context.namespace_options.CopyFrom(options)
    linux = api.LinuxContainerConfig()
    linux.security_context.namespace_options.CopyFrom(options)
    asked = mount(tmp_path / "new", uidMappings=ids, gidMappings=ids)
    pod = await cri.run_pod(config, handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[asked], linux=linux)
    assert await cri.sh(container, "touch /data/file; stat -c %u /data/file") == "0\n"
    assert (tmp_path / "new/file").stat().st_uid == 0


async def test_a_directory_made_for_a_container_that_cannot_be_created_stays(
    cri: Cri, tmp_path: Path
) -> None:
    mounts = [mount(tmp_path / "new"), mount(NOT_CREATED)]
    with pytest.raises(InvalidArgument, match=r"mounts\[1\].host_path.*not_created_mount_sources"):
        await cri.create(await cri.run_pod(), container_config(["true"], mounts=mounts))
    assert (tmp_path / "new").is_dir()
    assert not Path(NOT_CREATED).parent.exists()
    assert await cri.containers() == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "/proc/no-such",
            r"/proc/no-such does not exist on this node, and cannot be made: No such",
        ),
        ("{tmp}/link", "cannot be made: a symbolic link at 'link' leads to nothing"),
        ("{tmp}/file/new", "Not a directory"),
    ],
)
async def test_what_cannot_be_made_is_refused_with_the_reason(
    cri: Cri, tmp_path: Path, path: str, reason: str
) -> None:
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "file").touch()
    config = container_config(["true"], mounts=[mount(path.format(tmp=tmp_path))])
    with pytest.raises(InvalidArgument, match=rf"mounts\[0\].host_path: .*{reason}"):
        await cri.create(await cri.run_pod(), config)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


async def test_nothing_is_made_for_a_missing_device_nor_for_the_mount_of_a_cdi_device(
    cri: Cri, specs: Path, tmp_path: Path
) -> None:
    pod = await cri.run_pod()
    config = container_config(["true"])
    config.devices.add(host_path=str(tmp_path / "device"), container_path="/dev/x")
    with pytest.raises(InvalidArgument, match=r"devices\[0\].host_path"):
        await cri.create(pod, config)
    edits = {"mounts": [{"hostPath": str(tmp_path / "cdi"), "containerPath": "/x"}]}
    spec = {"cdiVersion": "0.6.0", "kind": "vendor.com/x"}
    text = json.dumps(spec | {"devices": [{"name": "0", "containerEdits": edits}]})
    (specs / "x.json").write_text(text)
    config = container_config(["true"])
    config.CDI_devices.add(name="vendor.com/x=0")
    with pytest.raises(WrongState, match="a CDI device, a hook or a plugin mounts"):
        await cri.create(pod, config)
    assert list(tmp_path.iterdir()) == []
