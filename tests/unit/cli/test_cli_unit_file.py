"""deploy/cri-shim.service: containers when the service or the node stops."""

from configparser import ConfigParser
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "deploy" / "cri-shim.service"


@pytest.fixture
def unit() -> ConfigParser:
    found = ConfigParser(strict=False, interpolation=None)
    found.read_string(UNIT.read_text())
    return found


def test_the_kubelet_ends_first_and_can_end_its_pods_in_time(unit: ConfigParser) -> None:
    assert "kubelet.service" in unit["Unit"]["Before"].split()  # units stop in reverse order


def test_systemctl_reload_tells_whether_the_files_were_right(unit: ConfigParser) -> None:
    assert unit["Service"]["ExecReload"].endswith("/cri-shim reload")  # it waits, and may fail


def test_systemd_does_not_end_containers_and_monitors_with_the_service(unit: ConfigParser) -> None:
    assert (unit["Service"]["KillMode"], unit["Service"]["Delegate"]) == ("process", "yes")
