"""The command line: arguments, errors and exit codes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim import __version__
from cri_shim.cli import main
from cri_shim.cli.command_line import parser
from cri_shim.cli.config_text import whole
from cri_shim.cli.global_flags import overrides
from cri_shim.config import load


def flags(*argv: str) -> dict[str, str]:
    return overrides(parser().parse_args([*argv, "version"]))


def flags_after(*argv: str) -> dict[str, str]:
    return overrides(parser().parse_args(["image", "list", *argv]))


def test_flags_become_configuration_keys() -> None:
    given = flags("--root", "/r", "--run-root", "/rr", "--socket", "/s", "--log-level", "debug")
    assert given == {
        "server.root": "/r",
        "server.run_root": "/rr",
        "server.socket": "/s",
        "server.log_level": "debug",
    }


def test_global_flags_may_follow_the_command() -> None:
    assert flags_after("--socket", "/s", "-D") == {
        "server.socket": "/s",
        "server.log_level": "debug",
    }
    assert flags_after("--log-level", "error", "-D") == {"server.log_level": "error"}


def test_keys_that_are_set_before_and_after_the_command_add_up() -> None:
    args = parser().parse_args(
        ["--set", "a=1", "--set", "b=1", "image", "--set", "c=1", "list", "--set", "b=2"]
    )
    assert overrides(args) == {"a": "1", "b": "2", "c": "1"}


def test_a_flag_of_the_command_wins_over_a_global_one() -> None:
    args = parser().parse_args(["--timeout", "5s", "stop", "--timeout", "7", "web"])
    assert (args.call_timeout, args.timeout) == (5.0, 7)


def test_a_relative_directory_becomes_absolute() -> None:
    assert flags("--root", "r")["server.root"] == f"{Path.cwd()}/r"


def test_any_key_can_be_set_and_a_named_flag_wins() -> None:
    given = flags("--set", "network.bridge=br=0", "--set", "server.root=/x", "--root", "/y")
    assert given == {"network.bridge": "br=0", "server.root": "/y"}


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["image"],
        ["image", "rm"],
        ["run"],
        ["--set", "x", "version"],
        ["exec", "id"],
        ["exec", "", "true"],
        ["inspect"],
        ["rm", ""],
        ["logs"],
        ["completion"],
        ["ps", "--name", "("],
        ["ps", "--state", "ready"],
        ["logs", "--since", "noon", "id"],
    ],
)
def test_bad_usage_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 2
    assert "usage: cri-shim" in capsys.readouterr().err


def test_an_error_is_one_sentence_on_stderr_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--socket", str(tmp_path / "none"), "info"]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"cri-shim: no daemon answers on {tmp_path}/none")
    assert output.err.count("\n") == 1


def test_a_wrong_configuration_is_an_error_of_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text("namespac = 'x'")
    assert main(["--config", str(tmp_path / "c.toml"), "serve"]) == 1
    assert capsys.readouterr().err == (
        f"cri-shim: {tmp_path}/c.toml:1: unknown key namespac; did you mean namespace?\n"
    )


def test_version_needs_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(tmp_path / "none"), "version"]) == 0
    assert capsys.readouterr().out == (
        f"client: cri-shim {__version__}\ndaemon: none at {tmp_path}/none\n"
    )


def test_the_arguments_of_a_container_are_not_parsed() -> None:
    args = parser().parse_args(["run", "--host-network", "busybox", "sh", "-c", "echo --host"])
    assert (args.image, args.args) == ("busybox", ["sh", "-c", "echo --host"])
    assert args.network == "host"


def test_the_words_of_a_command_in_a_container_are_not_parsed() -> None:
    args = parser().parse_args(["exec", "-it", "abc", "sh", "-c", "ls -t", "--since"])
    assert (args.container, args.program, args.args) == ("abc", "sh", ["-c", "ls -t", "--since"])
    assert (args.interactive, args.tty) == (True, True)


def test_config_shows_values_with_their_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text('\nnamespace = "x"\n[runtimes.kata]\npath = "/opt/kata"\n')
    assert main(["--config", str(file), "--root", "/r", "config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f'namespace = "x"  # {file}:2' in lines
    assert 'root = "/r"  # flag server.root' in lines
    assert "max_log_size = -1  # default" in lines
    assert f'path = [ "/opt/kata",]  # {file}:4' in lines


def test_the_output_of_config_can_be_read_back(tmp_path: Path) -> None:
    given = load(None, {"server.root": "/r", "namespace": 'a "quoted" \\ one', "max_log_size": "7"})
    (tmp_path / "c.toml").write_text(whole(given, docs=True))
    again = load(tmp_path / "c.toml")
    assert (again.server, again.network, again.image) == (given.server, given.network, given.image)
    assert (again.namespace, again.runtimes) == (given.namespace, given.runtimes)


def test_config_check_only_prints_that_the_configuration_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "libpod.conf").write_text('infra_command = "/pause"\n')
    assert main(["--config", str(tmp_path / "libpod.conf"), "config", "--check"]) == 0
    output = capsys.readouterr()
    assert output.out == "the configuration is valid\n"
    assert "warning: " in output.err


def test_a_termination_signal_cancels_a_client_and_lets_it_clean_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleaned: list[bool] = []

    async def command(args: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return 0

    monkeypatch.setattr("cri_shim.cli.commands.version.run", command)
    assert main(["version"]) == 128 + signal.SIGTERM
    assert cleaned == [True]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_may_be_closed(closed: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "cri_shim", "--socket", str(tmp_path / "s"), "stats"]
    script = f'exec 9>&2; "$@" {closed}; echo "code $?" >&9'
    done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True)

    assert done.stderr.endswith("code 3\n")
    assert "Traceback" not in done.stderr
