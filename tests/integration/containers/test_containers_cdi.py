"""CDI devices in real containers: files as drivers write them, both ways to ask for a device."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, private_daemon

YAML = """\
cdiVersion: 0.5.0
kind: vendor.com/net
devices:
- name: "0"
  containerEdits:
    env: [NIC=yaml]
    deviceNodes:
    - path: /dev/vendor/net0
      hostPath: /dev/zero
      fileMode: 0640
      gid: 44
"""


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two directories of specifications; the second one does not exist yet."""
    top = tmp_path_factory.mktemp("cdi")
    (top / "first").mkdir()
    (top / "first" / "net.yaml").write_text(YAML)
    (top / "first" / "torn.json").write_text("{")
    (top / "first" / "README").write_text("no specification")
    return [top / "first", top / "second"]


@pytest.fixture(scope="module")
def daemon(specs: list[Path]) -> Iterator[Daemon]:
    with private_daemon(
        0, **{"containers.cdi_spec_dirs": [str(path) for path in specs]}
    ) as started:
        yield started


def write(directory: Path, **edits: Any) -> None:
    """One device, gpu=0, with these edits."""
    directory.mkdir(exist_ok=True)
    devices = [{"name": "0", "containerEdits": edits}]
    value = {"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "devices": devices}
    (directory / "gpu.json").write_text(json.dumps(value))


async def run(
    cri: Cri, handler: str, *names: str, annotations: dict[str, str] | None = None
) -> str:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "60"], annotations=annotations)
    for name in names:
        config.CDI_devices.add(name=name)
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def test_a_device_comes_with_nodes_mounts_environment_groups_and_hooks(
    cri: Cri, handler: str, specs: list[Path], tmp_path: Path
) -> None:
    hook, library = tmp_path / "hook", tmp_path / "library"
    hook.write_text(f"#!/bin/sh\ncat >{tmp_path}/state\n")
    hook.chmod(0o755)
    library.write_text("library")
    write(
        specs[0],
        env=["GPU=0"],
        deviceNodes=[{"path": "/dev/vendor/gpu0", "hostPath": "/dev/full", "permissions": "rw"}],
        mounts=[{"hostPath": str(library), "containerPath": "/lib/gpu", "options": ["ro", "bind"]}],
        additionalGids=[4321],
        hooks=[{"hookName": "createRuntime", "path": str(hook)}],
    )
    container = await run(cri, handler, "vendor.com/gpu=0")
    assert await cri.sh(container, "echo $GPU; cat /lib/gpu; id -G") == "0\nlibrary0 4321\n"
    full = await cri.exec(container, "sh", "-c", "echo >/dev/vendor/gpu0")
    assert b"No space left on device" in full.stderr
    assert (await cri.exec(container, "touch", "/lib/gpu")).exit_code == 1
    assert json.loads((tmp_path / "state").read_text())["id"] == container
    assert not (await cri.status(container)).mounts


async def test_devices_can_be_requested_by_annotation_and_defined_in_yaml(
    cri: Cri, handler: str, specs: list[Path]
) -> None:
    write(specs[0], env=["GPU=0"])
    wanted = {"cdi.k8s.io/driver_claim": "vendor.com/net=0,vendor.com/gpu=0"}
    container = await run(cri, handler, "vendor.com/gpu=0", annotations=wanted)
    assert await cri.sh(container, "echo $NIC $GPU") == "yaml 0\n"
    node = await cri.sh(container, "stat -c '%a %g %t %T' /dev/vendor/net0")
    assert node == "640 44 1 5\n"
    assert await cri.sh(container, "head -c 3 /dev/vendor/net0 | tr '\\0' x") == "xxx"


async def test_the_directories_are_read_again_and_the_later_one_wins(
    cri: Cri, specs: list[Path]
) -> None:
    write(specs[0], env=["GPU=first"])
    first = await run(cri, "", "vendor.com/gpu=0")
    write(specs[1], env=["GPU=second"])
    second = await run(cri, "", "vendor.com/gpu=0")
    (specs[1] / "gpu.json").unlink()
    assert await cri.sh(first, "echo $GPU") == "first\n"
    assert await cri.sh(second, "echo $GPU") == "second\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("vendor.com/gpu=7", r"no CDI device vendor.com/gpu=7 on this node; .*torn.json: "),
        ("gpu", "'gpu' is no device's name"),
        ("vendor.com/gpu=0", "/dev/no-such-gpu: No such file or directory"),
    ],
)
async def test_an_unknown_device_is_refused_by_name_and_leaves_nothing(
    cri: Cri, specs: list[Path], name: str, problem: str
) -> None:
    write(specs[0], deviceNodes=[{"path": "/dev/gpu", "hostPath": "/dev/no-such-gpu"}])
    pod = await cri.run_pod()
    config = container_config(["true"])
    config.CDI_devices.add(name=name)
    with pytest.raises(InvalidArgument, match=rf"config.CDI_devices\[0\].name: {problem}"):
        await cri.create(pod, config)
    assert await cri.containers() == []
    assert list((cri.daemon.run_root / "containers").glob("*")) == []


async def test_a_container_without_devices_ignores_bad_files(cri: Cri, specs: list[Path]) -> None:
    (specs[0] / "gpu.json").write_text("nonsense")
    container = await run(cri, "", annotations={"cdi.example.com/x": "vendor.com/gpu=0"})
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
