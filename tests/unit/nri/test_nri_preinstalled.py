"""Which programs of a directory are plugins, and what their configurations are."""

from pathlib import Path

import pytest

from cri_shim.nri import preinstalled


def program(directory: Path, name: str, mode: int = 0o755) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def found(tmp_path: Path) -> list[tuple[str, str, str]]:
    plugins = preinstalled.find(tmp_path / "plugins", tmp_path / "conf")
    return [(plugin.index, plugin.name, plugin.config) for plugin in plugins]


def test_programs_are_found_in_order_with_their_configurations(tmp_path: Path) -> None:
    for name in ("90-b", "10-a", "20-a"):
        program(tmp_path / "plugins", name)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "10-a.conf").write_text("its own")
    (tmp_path / "conf" / "a.conf").write_text("of the name")

    assert found(tmp_path) == [("10", "a", "its own"), ("20", "a", "of the name"), ("90", "b", "")]


def test_other_entries_are_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "plugins", "10-data", 0o644)
    (tmp_path / "plugins" / "20-directory").mkdir()

    assert found(tmp_path) == []


def test_a_missing_directory_has_no_plugins(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "mode", "sentence"),
    [
        ("logger", 0o755, "its name must be two digits, - and a name"),
        ("10-open", 0o777, "everybody may write to"),
    ],
)
def test_a_program_that_cannot_be_used_is_told(
    tmp_path: Path, name: str, mode: int, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    program(tmp_path / "plugins", name, mode)
    program(tmp_path / "plugins", "50-good")

    assert [plugin[1] for plugin in found(tmp_path)] == ["good"]
    assert f"NRI plugin {name} is not started: " in caplog.text
    assert sentence in caplog.text


@pytest.mark.parametrize(
    ("config", "sentence"),
    [(b"\xff", "is not UTF-8 text"), (b"x" * ((1 << 20) + 1), "is larger than 1048576 bytes")],
)
def test_a_configuration_that_cannot_be_read_is_told(
    tmp_path: Path, config: bytes, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    program(tmp_path / "plugins", "10-a")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.conf").write_bytes(config)

    assert found(tmp_path) == []
    assert sentence in caplog.text
