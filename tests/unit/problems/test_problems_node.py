"""The node: all its parts in one list; a part that fails does not hide the others."""

from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.problems import Level, kernel, node


def test_the_list_has_kernel_programs_places_and_registries() -> None:
    found = {each.what for each in node.look(Config())}
    assert {"kernel", "control groups", "conmon", "registries.conf"} <= found
    assert any(what.startswith("space of ") for what in found)


def test_a_part_that_cannot_be_looked_at_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(kernel, "look", fail)
    found = {each.what: each for each in node.look(Config())}
    assert found["kernel"].level is Level.WARNING
    assert "Input/output error" in found["kernel"].sentence
    assert "conmon" in found


def test_a_registries_conf_that_is_not_used_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text("[")
    config = Config()
    config = replace(config, image=replace(config.image, registries_conf=str(file)))
    found = node.registries_conf(config)
    assert found.level is Level.WARNING
    assert found.text.startswith(f"{file} is not used: is not TOML")
