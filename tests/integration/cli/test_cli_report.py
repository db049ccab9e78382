"""report: one private archive, with and without a daemon, and no secret in it."""

import base64
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

SECRETS = {
    name: f"{name}-hunter2"
    for name in ("env", "annotation", "argument", "conmon", "cni", "input", "podannotation")
}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    variables = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"SECRET={SECRETS['conmon']}"]
    with private_daemon(0, conmon_env_vars=variables) as started:
        yield started


def report(daemon: Daemon, file: Path) -> tuple[str, dict[str, bytes]]:
    """Return what the command prints, and the parts of the archive."""
    command = [*daemon.command()[:-1], "report", "-o", str(file), "--log", str(daemon.log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    parts: dict[str, bytes] = {}
    with tarfile.open(file) as tar:
        for member in tar:
            opened = tar.extractfile(member)
            assert opened is not None
            parts[member.name.partition("/")[2]] = opened.read()
    return done.stdout, parts


async def test_the_report_explains_the_node_and_has_no_secret(
    daemon: Daemon, tmp_path: Path
) -> None:
    net_d = Path(str(daemon.settings["cni_config_dir"]))
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        config = pod_config(daemon)
        config.annotations["vault"] = SECRETS["podannotation"]
        pod = await cri.run_pod(config)
        net_d.mkdir()
        (net_d / "x.conf").write_text(f'{{"type": "bad", "auth_token": "{SECRETS["cni"]}"}}')
        wanted = container_config(["sh", "-c", "sleep 600", SECRETS["argument"]])
        wanted.envs.append(api.KeyValue(key="DB_PASSWORD", value=SECRETS["env"].encode()))
        wanted.annotations["vault"] = SECRETS["annotation"]
        container = await cri.create(pod, wanted)
        await cri.start(container)
        await cri.sh(container, f"echo {SECRETS['input']} > /dev/null")

        said, parts = report(daemon, tmp_path / "one.tar.gz")

        await cri.remove_all()

    expected = {"version.txt", "info.json", "check.json", "config.json", "status.json"}
    expected |= {"records.json", "mounts.txt", "cgroups.txt", "network/rules.txt", "log.txt"}
    assert expected | {"network/cni.json", "contents.json"} <= parts.keys()
    assert container.encode() in parts["records.json"]
    assert b"DB_PASSWORD" in parts["records.json"]
    assert b"x.conf" in parts["network/cni.json"]
    whole = b"".join(parts.values())
    assert [name for name, secret in SECRETS.items() if secret.encode() in whole] == []
    assert base64.b64encode(SECRETS["env"].encode()) not in whole
    assert all(name in said for name in parts)
    assert (tmp_path / "one.tar.gz").stat().st_mode & 0o777 == 0o600


def test_without_a_daemon_the_report_says_what_is_missing(daemon: Daemon, tmp_path: Path) -> None:
    daemon.stop()

    said, parts = report(daemon, tmp_path / "two.tar.gz")

    assert {"check.json", "config.json", "records.json", "log.txt"} <= parts.keys()
    assert "info.json" not in parts
    assert "missing: no daemon answers" in said
    assert b"no daemon answers" in parts["contents.json"]
