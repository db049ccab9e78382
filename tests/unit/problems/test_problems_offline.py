"""A node before its first start: runtimes, network, socket and port, with nothing made."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.problems import Finding, Level, offline


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = Config()
    server = replace(
        config.server,
        root=tmp_path / "root",
        run_root=tmp_path / "run",
        socket=tmp_path / "run" / "s",
    )
    network = replace(config.network, config_dir=tmp_path / "net.d")
    return replace(config, server=server, network=network)


async def _found(config: Config) -> dict[str, Finding]:
    return {each.what: each for each in await offline.look(config)}


async def test_a_look_makes_nothing(config: Config, tmp_path: Path) -> None:
    found = await _found(config)
    assert found["socket"].level is Level.OK
    assert found["streaming port"].level is Level.OK
    assert found[f"directory {tmp_path}/root"].sentence == f"will be made in {tmp_path}"
    assert list(tmp_path.iterdir()) == []


async def test_a_socket_and_a_port_in_use_are_failures(config: Config, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as one, socket.create_server(("127.0.0.1", 0)) as other:
        one.bind(str(config.server.socket))
        one.listen()
        port = other.getsockname()[1]
        found = await _found(replace(config, streaming=replace(config.streaming, port=port)))
    assert found["socket"].text.startswith(f"another program serves on {config.server.socket}; ")
    assert found["streaming port"].sentence == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use"
    )


async def test_a_directory_that_the_daemon_refuses_is_a_failure(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o777)
    found = await _found(config)
    assert found[f"directory {tmp_path}/root"].level is Level.FAILS


async def test_missing_plugins_are_a_failure_with_their_package(config: Config) -> None:
    network = replace(config.network, plugin_dirs=(Path("/no/plugins"),))
    found = await _found(replace(config, network=network))
    assert found["pod network"].level is Level.FAILS
    assert found["pod network"].package
