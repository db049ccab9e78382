"""A streaming server whose traffic others on the network could read has a warning."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.tls import make_certificate

SAID = (
    "streaming.address: {} can be reached over the network, where sessions and the tickets for them"
    " can be read: use 127.0.0.1, or set streaming.tls_cert_file and streaming.tls_key_file"
)


def check(directory: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    """`config --check` of a configuration with these lines in [streaming]."""
    file = directory / "config.toml"
    file.write_text("\n".join(["[streaming]", *settings, ""]))
    command = [sys.executable, "-m", "cri_shim", "--config", str(file), "config", "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.1.2.3", "::", "192.0.2.7", "fe80::1"])
def test_a_network_address_without_tls_has_a_warning(tmp_path: Path, address: str) -> None:
    done = check(tmp_path, f'address = "{address}"')
    assert done.returncode == 0
    assert f"cri-shim: warning: {SAID.format(address)}\n" in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_a_loopback_address_has_no_warning(tmp_path: Path, address: str) -> None:
    assert "streaming.address" not in check(tmp_path, f'address = "{address}"').stderr


def test_with_tls_no_address_has_a_warning(tmp_path: Path) -> None:
    make_certificate(tmp_path, "test")
    files = [f'tls_{name}_file = "{tmp_path}/{name}.pem"' for name in ("cert", "key")]
    done = check(tmp_path, 'address = "0.0.0.0"', *files)
    assert done.returncode == 0
    assert "streaming.address" not in done.stderr


@pytest.mark.parametrize("name", ["cert", "key"])
def test_half_of_a_pair_is_an_error_of_the_check(tmp_path: Path, name: str) -> None:
    done = check(tmp_path, f'tls_{name}_file = "/etc/ssl/{name}.pem"')
    assert done.returncode == 1
    assert f"config.toml:2: streaming.tls_{name}_file: " in done.stderr
    assert "must be set, too" in done.stderr


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(8, **{"streaming.address": "0.0.0.0"}) as started:
        yield started


async def test_the_warning_is_logged_once_at_the_start(daemon: Daemon) -> None:
    async with Client(daemon.socket) as client:
        info = await client.control.Info(control.InfoRequest())
    said = SAID.format("0.0.0.0")
    assert said in [each["sentence"] for each in json.loads(info.json)["problems"]]
    assert daemon.log.read_text().count(said) == 1
