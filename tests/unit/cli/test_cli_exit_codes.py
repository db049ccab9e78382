"""Exit codes by the kind of the error, and output that cannot be written."""

import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim import errors
from cri_shim.cli import exit_codes
from cri_shim.cli.command_line import parser
from cri_shim.cli.daemon import socket
from cri_shim.cli.global_flags import overrides


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ToolFailed("x"), 1),
        (errors.ConfigError("x"), 1),
        (errors.Unavailable("x"), 1),
        (errors.Unreachable("x"), 3),
        (errors.NotFound("x"), 4),
        (errors.PermissionDenied("x"), 5),
        (exit_codes.UsageError("x"), 2),
        (exit_codes.Exit(127, "x"), 127),
    ],
)
def test_the_class_of_an_error_decides(error: Exception, code: int) -> None:
    assert exit_codes.of(error) == code


def test_run_and_exec_leave_small_codes_to_their_program() -> None:
    assert exit_codes.of(errors.NotFound("x"), exit_codes.RUN_FAILED) == 125
    assert exit_codes.of(exit_codes.Exit(126, "x"), exit_codes.RUN_FAILED) == 126
    run_failed = exit_codes.RUN_FAILED
    assert exit_codes.of(errors.CommandNotFound("x"), run_failed) == 127
    assert exit_codes.of(errors.CommandNotExecutable("x"), run_failed) == 126
    args = parser().parse_args(["exec", "web", "true"])
    assert args.failed == exit_codes.RUN_FAILED


@pytest.mark.parametrize(
    ("codes", "code"), [([], 0), ([0, 0], 0), ([0, 4], 4), ([4, 4], 4), ([4, 1], 1)]
)
def test_several_objects_have_one_code(codes: list[int], code: int) -> None:
    assert exit_codes.of_all(codes) == code


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cri_shim", *words]


@pytest.mark.parametrize("words", [("config",), ("help",), ("--help",), ("completion", "bash")])
def test_a_full_disk_under_the_output_is_one_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(*words), stdout=full, stderr=subprocess.PIPE, check=False)
    said = b"cri-shim: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_reader_that_is_gone_is_no_error_to_tell() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; exit "${PIPESTATUS[0]}"', "-", *command("config", "--docs")],
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1)
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        ([], {}, "/run/cri-shim/cri-shim.sock"),
        ([], {"CRI_SHIM_SOCKET": "/a"}, "/a"),
        ([], {"CONTAINER_RUNTIME_ENDPOINT": "unix:///b"}, "/b"),
        ([], {"CONTAINER_RUNTIME_ENDPOINT": "unix:///b", "CRI_SHIM_SOCKET": "/a"}, "/a"),
        (["--socket", "/c"], {"CRI_SHIM_SOCKET": "/a"}, "/c"),
        (["--set", "server.socket=/d"], {"CRI_SHIM_SOCKET": "/a"}, "/d"),
    ],
)
def test_the_socket_is_from_a_flag_the_environment_or_the_configuration(
    words: list[str],
    environment: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("CRI_SHIM_SOCKET", "CONTAINER_RUNTIME_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "c.toml").write_text("")
    args = parser().parse_args(["--config", str(tmp_path / "c.toml"), *words, "ps"])
    args.overrides = overrides(args)
    assert str(socket(args)) == expected
