"""The file of a time zone."""

from pathlib import Path

import pytest

from cri_shim.linux import timezone


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "zoneinfo/Asia").mkdir(parents=True)
    (tmp_path / "zoneinfo/Asia/Tokyo").touch()
    monkeypatch.setattr(timezone, "ZONES", tmp_path / "zoneinfo")
    monkeypatch.setattr(timezone, "LOCAL", tmp_path / "localtime")
    return tmp_path


def test_a_zone_is_a_file_below_the_zones(node: Path) -> None:
    assert timezone.file_of("Asia/Tokyo") == node / "zoneinfo/Asia/Tokyo"


def test_local_is_the_nodes_own_zone(node: Path) -> None:
    (node / "localtime").symlink_to(node / "zoneinfo/Asia/Tokyo")
    assert timezone.file_of("Local") == node / "localtime"


@pytest.mark.parametrize("zone", ["Local", "Asia", "Asia/Nowhere"])
def test_a_zone_that_is_not_on_the_node_is_an_error(zone: str) -> None:
    with pytest.raises(FileNotFoundError, match="install the package tzdata"):
        timezone.file_of(zone)
