"""`cri-shim plan`: the document of a container that is not made, beside that of the real one."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from cri_shim.pb import api_pb2 as api
from tests.fixtures import busybox
from tests.fixtures.commands import cri_shim
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.plans import renamed

MAPPING = api.IDMapping(container_id=0, host_id=100000, length=65536)
USERNS = api.UserNamespace(mode=api.POD, uids=[MAPPING], gids=[MAPPING])
VOLUMES = "localhost/volumes:test"
CDI = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.example/net",
    "devices": [
        {
            "name": "0",
            "containerEdits": {
                "env": ["NIC=0"],
                "deviceNodes": [{"path": "/dev/nic0", "hostPath": "/dev/zero"}],
                "mounts": [{"hostPath": "/etc", "containerPath": "/nic", "options": ["rbind"]}],
            },
        }
    ],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("plan")
    for name in ("cdi", "hooks", "data"):
        (top / name).mkdir()
    (top / "cdi/net.json").write_text(json.dumps(CDI))
    (top / "secret").write_text("x")
    (top / "mounts.conf").write_text(f"{top}/secret:/run/secret\n{top}/gone:/run/gone\n")
    for name, stage in (("first", "createRuntime"), ("second", "poststop")):
        hook = {"path": "/bin/true", "args": ["true", name]}
        definition = {"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": [stage]}
        (top / f"hooks/{name}.json").write_text(json.dumps(definition))
    return top


@pytest.fixture(scope="module")
def daemon(places: Path) -> Iterator[Daemon]:
    settings: dict[str, Any] = {
        "hooks_dir": [str(places / "hooks")],
        "default_mounts_file": str(places / "mounts.conf"),
        "containers.cdi_spec_dirs": [str(places / "cdi")],
        "containers.default_env": ["NODE=1", "LANG=de"],
        "containers.default_ulimits": ["core=0"],
        "containers.additional_devices": ["/dev/null:/dev/of-the-node"],
        "containers.allowed_devices": ["/dev/full"],
        "containers.containerenv": True,
        "containers.timezone": "Local",
        "containers.pids_limit": 100,
        "containers.missing_mount_source": "create",
        "runtimes.crun.allowed_annotations": ["devices.crio.io", "a.example/*"],
        "runtimes.crun.default_annotations": ["b.example/x=1"],
    }
    with private_daemon(**settings) as started:
        yield started


def plain(cri: Cri, places: Path) -> tuple[api.PodSandboxConfig, api.ContainerConfig]:
    return pod_config(cri.daemon), container_config(["sleep", "60"])


def of_the_kubelet(cri: Cri, places: Path) -> tuple[api.PodSandboxConfig, api.ContainerConfig]:
    pod = pod_config(cri.daemon, annotations={"devices.crio.io": "/dev/full", "a.example/y": "2"})
    config = container_config(
        ["sh", "-c", "sleep 60"],
        image=VOLUMES,
        envs=[{"key": "LANG", "value": b"C"}],
        annotations={"c.example/z": "3", "io.kubernetes.pod.terminationGracePeriod": "7"},
        devices=[{"host_path": "/dev/zero", "container_path": "/dev/mine", "permissions": "r"}],
        CDI_devices=[{"name": "vendor.example/net=0"}],
        mounts=[
            {"host_path": str(places / "data"), "container_path": "/data", "readonly": True},
            {"host_path": str(places / "made/below"), "container_path": "/made"},
            {
                "container_path": "/image",
                "readonly": True,
                "image": {"image": busybox.NAME},
                "image_sub_path": "etc",
            },
        ],
    )
    context = config.linux.security_context
    context.run_as_user.value = 1000
    context.supplemental_groups.append(77)
    context.readonly_rootfs = context.no_new_privs = True
    context.capabilities.add_capabilities.append("NET_ADMIN")
    context.capabilities.drop_capabilities.append("KILL")
    context.seccomp.profile_type = api.SecurityProfile.RuntimeDefault
    context.masked_paths.append("/proc/kcore")
    config.linux.resources.memory_limit_in_bytes = 64 << 20
    config.linux.resources.cpu_shares = 512
    return pod, config


def privileged(cri: Cri, places: Path) -> tuple[api.PodSandboxConfig, api.ContainerConfig]:
    pod, config = pod_config(cri.daemon), container_config(["sleep", "60"], tty=True)
    pod.linux.security_context.privileged = True
    config.linux.security_context.privileged = True
    return pod, config


def of_the_host(cri: Cri, places: Path) -> tuple[api.PodSandboxConfig, api.ContainerConfig]:
    pod, config = pod_config(cri.daemon), container_config(["sleep", "60"])
    for context in (pod.linux.security_context, config.linux.security_context):
        options = context.namespace_options
        options.network = options.ipc = options.pid = api.NODE
    pod.hostname = ""
    return pod, config


def with_its_own_ids(cri: Cri, places: Path) -> tuple[api.PodSandboxConfig, api.ContainerConfig]:
    pod, config = pod_config(cri.daemon), container_config(["sleep", "60"])
    for context in (pod.linux.security_context, config.linux.security_context):
        options = context.namespace_options
        options.pid = api.POD
        options.userns_options.CopyFrom(USERNS)
    mount = config.mounts.add(host_path=str(places / "data"), container_path="/data")
    mount.uidMappings.append(MAPPING)
    mount.gidMappings.append(MAPPING)
    return pod, config


async def test_a_plan_is_the_document_of_the_real_container(
    cri: Cri, places: Path, tmp_path: Path
) -> None:
    await _load_volumes(cri)
    for case in (plain, of_the_kubelet, privileged, of_the_host, with_its_own_ids):
        for handler in ("crun", "runc"):
            pod, config = case(cri, places)
            pod.metadata.uid = f"{case.__name__}-{handler}"
            planned = await _plan(cri, tmp_path, pod, config, handler)
            assert cri.daemon.traces() == []
            assert not (places / "made").exists()
            assert [o for o in planned["origins"].values() if o == "unknown"] == []
            pod_id = await cri.run_pod(pod, handler=handler)
            container = await cri.create(pod_id, config)
            real = (await cri.info(container))["runtimeSpec"]
            assert planned["document"] == renamed(real, pod_id, container), case.__name__
            await cri.remove_pod(pod_id)
            shutil.rmtree(places / "made", ignore_errors=True)


async def test_the_origin_of_each_kind_of_field_is_named(
    cri: Cri, places: Path, tmp_path: Path
) -> None:
    await _load_volumes(cri)
    planned = await _plan(cri, tmp_path, *of_the_kubelet(cri, places), "crun")
    origins = _by_value(planned)
    assert origins["PATH=/bin"] == "image Env"
    assert origins["NODE=1"] == "node default containers.default_env"
    assert origins["LANG=C"] == "CRI config.envs[0]"
    assert origins["NIC=0"] == "CDI vendor.example/net=0"
    assert origins["/dev/full"] == "annotation devices.crio.io"
    assert origins["/dev/of-the-node"] == "node default containers.additional_devices"
    assert origins["/dev/mine"] == "CRI config.devices[0]"
    assert origins["/data"] == "CRI config.mounts[0]"
    assert origins["/var/own"] == "image Volumes"
    assert origins["/run/secret"] == "node default default_mounts_file"
    assert origins["second"] == f"hook {places}/hooks/second.json"
    assert planned["origins"]["/process/user/uid"].endswith("security_context.run_as_user")


async def test_the_text_has_each_field_with_its_origin(
    cri: Cri, places: Path, tmp_path: Path
) -> None:
    files = _files(tmp_path, *plain(cri, places))
    done = await cri_shim(cri, "plan", *files)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert re.search(r'^  args: \["sleep", "60"\] +# CRI config\.command$', text, re.MULTILINE)
    assert re.search(r'^    - "NODE=1" +# node default containers\.default_env$', text, re.M)


async def test_a_precreate_hook_is_a_note_and_does_not_run(
    cri: Cri, places: Path, tmp_path: Path
) -> None:
    hook = {"path": "/bin/false"}
    definition = {"version": "1.0.0", "hook": hook, "when": {"always": True}}
    file = places / "hooks/pre.json"
    file.write_text(json.dumps(definition | {"stages": ["precreate"]}))
    try:
        done = await cri_shim(cri, "plan", *_files(tmp_path, *plain(cri, places)))
    finally:
        file.unlink()
    assert done.returncode == 0
    assert f"note: the precreate hook {file} did not run" in done.stderr.decode()


async def test_wrong_input_is_one_sentence_and_an_exit_code_by_its_kind(
    cri: Cri, places: Path, tmp_path: Path
) -> None:
    pod, config = plain(cri, places)
    good_pod, good = _files(tmp_path, pod, config)
    config.image.image = "localhost/gone:1"
    (tmp_path / "other").mkdir()
    _, absent = _files(tmp_path / "other", pod, config)
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"metadata": {"name": "x"}, "comand": ["x"]}')
    torn = tmp_path / "torn.json"
    torn.write_text("{")
    for words, code, problem in (
        ((good_pod, "/gone.json"), 1, "cannot read /gone.json: No such file or directory"),
        ((good_pod, str(torn)), 1, "torn.json cannot be read as JSON"),
        ((good_pod, str(wrong)), 1, "comand is an unknown field; did you mean command?"),
        ((good_pod, absent), 4, "image localhost/gone:1 is not on this node; pull it first"),
        (("--runtime", "kata", good_pod, good), 1, "no handler 'kata' is configured"),
        ((good_pod,), 2, "CONTAINER.json"),
    ):
        done = await cri_shim(cri, "plan", *words)
        told = done.stderr.decode().strip()
        assert (done.returncode, done.stdout) == (code, b""), told
        assert problem in told
        assert "Traceback" not in told


async def _load_volumes(cri: Cri) -> None:
    archive = cri.daemon.directory / "volumes.tar"
    image: dict[str, object] = {
        "Volumes": {"/var/own": {}},
        "WorkingDir": "/tmp",
        "Entrypoint": ["sh"],
    }
    busybox.archive(archive, image, VOLUMES)
    await cri.daemon.load(archive)


async def _plan(
    cri: Cri,
    directory: Path,
    pod: api.PodSandboxConfig,
    config: api.ContainerConfig,
    handler: str,
) -> dict[str, Any]:
    files = _files(directory, pod, config)
    done = await cri_shim(cri, "plan", "-o", "json", "--runtime", handler, *files)
    assert (done.returncode, done.stderr) == (0, b""), done
    return dict(json.loads(done.stdout))


def _files(
    directory: Path, pod: api.PodSandboxConfig, config: api.ContainerConfig
) -> tuple[str, str]:
    """Write both files as crictl has them; return their paths."""
    found = []
    for name, message in (("pod.json", pod), ("container.json", config)):
        value = MessageToDict(
            message, preserving_proto_field_name=True, use_integers_for_enums=True
        )
        for variable, own in zip(value.get("envs", []), getattr(message, "envs", []), strict=True):
            variable["value"] = own.value.decode()  # text, not base64
        (directory / name).write_text(json.dumps(value))
        found.append(str(directory / name))
    return found[0], found[1]


def _by_value(planned: dict[str, Any]) -> dict[str, str]:
    """Return the origin of each text of the document; of a text that is there twice, the last."""
    found: dict[str, str] = {}

    def walk(value: Any, pointer: str, above: str) -> None:
        own = planned["origins"].get(pointer, above)
        if isinstance(value, dict | list):
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            for name, each in parts:
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                walk(each, f"{pointer}/{escaped}", own)
        else:
            found[str(value)] = own

    walk(planned["document"], "", "")
    return found
