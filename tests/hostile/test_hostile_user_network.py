"""An unprivileged user's network program that leaves a pod without an address."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.isolation import namespaces
from cri_shim.network import user_process
from cri_shim.network.user_mode import UserModeNetwork
from cri_shim.pb import state_pb2

# As pasta it makes eth0 and goes into the background, known by the namespace on its command line.
# Like pasta it continues as a program of another name.
PASTA = """#!/bin/bash
netns=${!#}
nsenter --net=$netns ip link add eth0 type bridge
nsenter --net=$netns ip link set eth0 up
setsid bash -c 'exec -a pasta "$0" -c "import time; time.sleep(60)" "$1"' ${0%/*}/passt $netns \\
    >/dev/null 2>&1 </dev/null &
while ! pgrep -f "^pasta .*$netns" >/dev/null; do sleep 0.01; done
"""


@pytest.fixture
def netns() -> Iterator[Path]:
    path = Path("/run/netns") / f"test-{secrets.token_hex(6)}"
    namespaces.pin({"net": path}, hostname=None, sysctls={})
    yield path
    namespaces.unpin(path)


async def test_a_pod_without_an_address_is_refused_and_its_process_ended(
    tmp_path: Path, netns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pasta").write_text(PASTA)
    (programs / "pasta").chmod(0o755)
    (programs / "passt").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
    record = state_pb2.PodRecord(id="p", network=state_pb2.PodNetwork(netns_path=str(netns)))
    record.network.attachments.add(network="pasta", interface="eth0", config=b'{"ports": []}')
    network = UserModeNetwork(tmp_path / "network", "pasta", add_timeout=10)
    await network.start()
    with pytest.raises(ToolFailed, match="pasta gave pod p no address: eth0 has none"):
        await network.attach(record)
    assert user_process.find(netns) == []
    assert list((tmp_path / "network").iterdir()) == []
    await network.stop()
