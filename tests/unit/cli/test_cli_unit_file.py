"""deploy/cri-shim.service: what the end of the service and of the node mean for containers."""

from configparser import ConfigParser
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "deploy" / "cri-shim.service"


@pytest.fixture
def unit() -> ConfigParser:
    found = ConfigParser(strict=False, interpolation=None)
    found.read_string(UNIT.read_text())
    return found


def test_the_kubelet_ends_first_and_can_give_its_pods_their_time(unit: ConfigParser) -> None:
    assert "kubelet.service" in unit["Unit"]["Before"].split()  # units stop in reverse order


def test_containers_and_their_monitors_are_not_the_services_to_end(unit: ConfigParser) -> None:
    assert (unit["Service"]["KillMode"], unit["Service"]["Delegate"]) == ("process", "yes")
