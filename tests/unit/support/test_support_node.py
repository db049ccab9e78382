"""What the node shows: records, CNI files and logs, without secrets."""

import base64
import json
from dataclasses import replace
from pathlib import Path

from cri_shim.config import Config
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state.leveldb import LevelStore
from cri_shim.support import daemon, node

SECRET = "hunter2-hunter2"


def config(place: Path) -> Config:
    ours = Config()
    server = replace(ours.server, root=place / "root", run_root=place / "run")
    return replace(ours, server=server, network=replace(ours.network, config_dir=place / "net.d"))


def test_records_have_no_secret(tmp_path: Path) -> None:
    container = state.ContainerRecord(id="c", message="exec failed", exit_code=128)
    container.config.CopyFrom(
        api.ContainerConfig(
            envs=[api.KeyValue(key="DB", value=SECRET.encode())],
            annotations={"a": SECRET},
            command=["sh", SECRET],
            args=[SECRET],
        )
    )
    pod = state.PodRecord(id="p", config=api.PodSandboxConfig(annotations={"a": SECRET}))
    pod.network.attachments.add(network="n", config=SECRET.encode())
    image = state.ImageRecord(id="i", repo_tags=["x:1"], config=SECRET.encode())
    (tmp_path / "root").mkdir()
    store = LevelStore(tmp_path / "root/state")
    for kind, record in (("container", container), ("pod", pod), ("image", image)):
        store.put(kind, record.id, record.SerializeToString())
    store.close()

    found = node.records(config(tmp_path))

    shown = json.dumps(found)
    assert SECRET not in shown
    assert base64.b64encode(SECRET.encode()).decode() not in shown
    assert found["containers"][0]["exitCode"] == 128
    assert found["containers"][0]["message"] == "exec failed"
    assert found["images"][0]["tags"] == ["x:1"]


def test_cni_files_and_logs_have_no_secret(tmp_path: Path) -> None:
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/1.conf").write_text(json.dumps({"type": "x", "token": SECRET}))
    (tmp_path / "net.d/2.conf").write_text("{")
    (tmp_path / "net.d/calico-kubeconfig").write_text(SECRET)
    log = tmp_path / "log"
    log.write_text(f"pull https://u:{SECRET}@host failed\n")
    found = node.cni(config(tmp_path))
    assert found["1.conf"]["type"] == "x"
    assert "error" in found["2.conf"]
    assert SECRET not in json.dumps(found) + node.log(log)
    assert "@host failed" in node.log(log)


def test_the_configuration_has_no_value_of_a_variable() -> None:
    values = {"conmon_env_vars": [f"X={SECRET}"], "namespace": "n"}
    found = daemon.of_configuration({"values": values, "origins": {}})
    assert SECRET not in json.dumps(found)
    assert found["values"]["namespace"] == "n"
