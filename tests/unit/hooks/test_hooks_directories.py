"""The current definitions in the hooks.d directories."""

import json
import logging
import os
from pathlib import Path

import pytest

from cri_shim.errors import ConfigError
from cri_shim.hooks.directories import Hooks

VENDOR, ADMIN = "usr", "etc"


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    found = [tmp_path / VENDOR, tmp_path / ADMIN]
    for directory in found:
        directory.mkdir()
    return found


def write(directory: Path, name: str, program: str = "/bin/true", stage: str = "prestart") -> Path:
    file = directory / name
    definition = {
        "version": "1.0.0",
        "hook": {"path": program},
        "when": {"always": True},
        "stages": [stage],
    }
    file.write_text(json.dumps(definition))
    return file


def names(hooks: Hooks) -> list[str]:
    return [definition.name for definition in hooks.usable()]


def test_hooks_are_in_the_order_of_their_lower_cased_names(directories: list[Path]) -> None:
    for name in ("02-b.json", "01-Z.json", "01-a.json", "readme.txt", "x.json.rpmsave"):
        write(directories[0], name)
    assert names(Hooks(directories)) == ["01-a.json", "01-Z.json", "02-b.json"]


def test_a_file_in_a_later_directory_replaces_the_one_of_the_same_name(
    directories: list[Path],
) -> None:
    write(directories[0], "a.json")
    mine = write(directories[1], "a.json")
    hooks = Hooks(directories)
    assert [definition.file for definition in hooks.usable()] == [mine]
    mine.unlink()
    assert [definition.file for definition in hooks.usable()] == [directories[0] / "a.json"]


def test_a_change_within_a_file_is_seen_at_the_next_scan(directories: list[Path]) -> None:
    hooks = Hooks(directories)
    assert names(hooks) == []
    file = write(directories[0], "a.json")
    assert names(hooks) == ["a.json"]
    write(directories[0], "a.json", stage="poststop")
    assert hooks.usable()[0].hook.stages == ("poststop",)
    file.unlink()
    assert names(hooks) == []


def test_a_file_that_did_not_change_is_read_once(directories: list[Path]) -> None:
    write(directories[0], "a.json")
    hooks = Hooks(directories)
    assert hooks.usable()[0].hook is hooks.usable()[0].hook


def test_a_bad_file_is_logged_once_and_the_others_are_used(
    directories: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    write(directories[0], "good.json")
    bad = directories[1] / "bad.json"
    bad.write_text("{")
    hooks = Hooks(directories)
    with caplog.at_level(logging.WARNING):
        assert names(hooks) == names(hooks) == ["good.json"]
    (told,) = caplog.messages
    assert told.startswith(f"hook {bad} is not used: is not JSON: ")


def test_a_problem_that_returns_is_logged_again(
    directories: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    hooks = Hooks(directories)
    file = directories[0] / "a.json"
    file.write_text("{")
    hooks.usable()
    write(directories[0], "a.json")
    hooks.usable()
    file.write_text("{")
    hooks.usable()
    assert len(caplog.messages) == 2


def test_a_bad_override_does_not_restore_the_file_it_replaces(directories: list[Path]) -> None:
    write(directories[0], "a.json")
    (directories[1] / "a.json").write_text("")
    assert names(Hooks(directories)) == []


@pytest.mark.parametrize(
    ("program", "problem"),
    [("/no/such", "does not exist"), ("/etc/passwd", "cannot be executed"), ("/", "not exist")],
)
def test_a_hook_without_its_program_is_bad(
    directories: list[Path], program: str, problem: str
) -> None:
    write(directories[0], "a.json", program)
    (told,) = Hooks(directories).scan().bad
    assert f"its program {program} {problem}".replace("/ not", "/ does not") in told


def test_a_program_that_is_installed_later_makes_its_hook_good(
    directories: list[Path], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    write(directories[0], "a.json", str(program))
    hooks = Hooks(directories)
    assert names(hooks) == []
    program.touch(mode=0o755)
    assert names(hooks) == ["a.json"]


def test_the_program_of_a_start_container_hook_is_in_the_container(directories: list[Path]) -> None:
    write(directories[0], "a.json", "/only/in/the/image", stage="startContainer")
    assert names(Hooks(directories)) == ["a.json"]


def test_a_bad_file_is_an_error_in_strict_mode(directories: list[Path]) -> None:
    (directories[0] / "a.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"a\.json is not used: .*; correct it, or set hooks_"):
        Hooks(directories, strict=True).usable()


def test_a_missing_directory_is_skipped_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = Hooks([tmp_path / "none"])
    assert names(hooks) == names(hooks) == []
    assert caplog.messages == [f"hooks_dir {tmp_path}/none does not exist"]


def test_a_missing_optional_directory_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert names(Hooks([tmp_path / "none"], optional=True)) == []
    assert caplog.messages == []


def test_a_missing_directory_that_must_exist_is_an_error(
    directories: list[Path],
) -> None:
    hooks = Hooks(directories, must_exist=True)
    assert names(hooks) == []
    directories[1].rmdir()
    with pytest.raises(ConfigError, match=r"etc does not exist; make it, or set hooks_dir_not_ex"):
        hooks.usable()


def test_a_file_that_is_not_regular_is_bad_and_does_not_block(
    directories: list[Path],
) -> None:
    os.mkfifo(directories[0] / "fifo.json")
    (directories[0] / "dir.json").mkdir()
    (directories[0] / "gone.json").symlink_to("nowhere")
    found = Hooks(directories).scan()
    assert found.definitions == ()
    assert [problem.rpartition("/")[2] for problem in found.bad] == [
        "dir.json is not used: is not a regular file",
        "fifo.json is not used: is not a regular file",
        "gone.json is not used: is a link to what does not exist",
    ]


def test_a_directory_that_is_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = Hooks([tmp_path / "file"]).scan()
    assert found.bad == (f"hooks_dir {tmp_path}/file: Not a directory",)
