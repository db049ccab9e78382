"""What new layers become, where there is nothing to try."""

from pathlib import Path

import pytest

from cri_shim.errors import ConfigError
from cri_shim.store import layer_store
from cri_shim.store.mounting.layer_mounts import LayerMounts


def test_directories_that_are_asked_for_need_no_trial(tmp_path: Path) -> None:
    found = layer_store.choose("directories", tmp_path / "missing", LayerMounts(tmp_path / "m"))

    assert found == layer_store.LayerStore("directories", "the configuration says so")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_fails_is_the_reason_for_directories(tmp_path: Path) -> None:
    found = layer_store.choose("auto", tmp_path / "missing", LayerMounts(tmp_path / "m"))

    assert found.kind == "directories"
    assert "No such file or directory" in found.reason


def test_a_trial_that_fails_is_an_error_if_erofs_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not possible on this node: .*No such file"):
        layer_store.choose("erofs", tmp_path / "missing", LayerMounts(tmp_path / "m"))
