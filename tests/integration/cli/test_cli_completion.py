"""Completion in the real shells: commands, flags, choices, and ids of the daemon."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cri_shim.aio import child
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, in_terminal
from tests.fixtures.cri import Cri, pod_config

BIN = Path(sys.executable).parent  # where `cri-shim` is, too
ENV = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "HISTFILE": ""}

# The completions of each shell for the words "$@", the last of which is being typed.
BASH = """
source <(cri-shim completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
$(complete -p cri-shim | sed 's/.*-F \\([^ ]*\\).*/\\1/') cri-shim
printf '%s\\n' "${COMPREPLY[@]}"
"""
# compadd works only inside a completion: this one prints its arguments.
ZSH = """
compdef() { [[ $1 == _cri_shim && $2 == cri-shim ]] }
compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -rl -- "$@" }
_files() { }
source <(cri-shim completion zsh)
words=("$@"); CURRENT=$#
_cri_shim
"""
FISH = "cri-shim completion fish | source; complete -C (string join ' ' -- $argv)"
SHELLS = {
    "bash": ["bash", "--norc", "-c", BASH, "bash"],
    "zsh": ["zsh", "-f", "-c", ZSH, "zsh"],
    "fish": ["fish", "--no-config", "-c", FISH],
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def offered(shell: str, *words: str) -> list[str]:
    """The words offered, in alphabetic order."""
    done = await child.run([*SHELLS[shell], "cri-shim", *words], env=ENV, timeout=LIMIT_S)
    assert (done.returncode, done.stderr) == (0, b""), done
    lines = done.stdout.decode().splitlines()
    return sorted(line.partition("\t")[0] for line in lines if line)


OFFERED = {
    ("po",): ["pods", "port-forward"],
    ("image", "l"): ["list", "load"],
    ("ps", "-o", "j"): ["json"],
    ("--log-level", "de"): ["debug"],
    ("ps", "--na"): ["--name", "--namespace"],
    ("pods", "--state", ""): ["notready", "ready"],
}


async def test_commands_flags_and_choices_are_offered(shell: str) -> None:
    asked = (offered(shell, *words) for words in OFFERED)
    assert await asyncio.gather(*asked) == list(OFFERED.values())


async def test_names_and_ids_come_from_the_daemon_that_is_named(shell: str, cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "web"))
    container = await cri.run(pod, ["sleep", "600"])
    top = ("--socket", str(cri.daemon.socket))
    assert await offered(shell, *top, "inspect", "") == ["main", "web"]
    assert await offered(shell, *top, "exec", "-it", "test/") == ["test/web", "test/web/main"]
    assert await offered(shell, *top, "rm", container[:6]) == [container[:13]]
    assert await offered(shell, *top, "ps", "--pod", "w") == ["web"]
    assert await offered(shell, *top, "ps", "--pod", pod[:6]) == [pod[:13]]


async def test_keys_and_handlers_come_from_the_configuration(shell: str, cri: Cri) -> None:
    assert await offered(shell, "--set", "network.br") == ["network.bridge="]
    assert await offered(shell, "run", "--runtime", "cr") == ["crun"]


async def test_names_of_images_are_offered(shell: str, cri: Cri) -> None:
    top = ("--socket", str(cri.daemon.socket))
    assert await offered(shell, *top, "image", "save", "localhost/b") == [busybox.NAME]
    assert await offered(shell, *top, "run", "localhost/b") == [busybox.NAME]
    assert await offered(shell, *top, "image", "rm", "localhost/x") == []


async def test_without_a_daemon_no_id_is_offered_and_nothing_is_printed(
    shell: str, tmp_path: Path
) -> None:
    assert await offered(shell, "--socket", str(tmp_path / "none"), "logs", "zz") == []


async def test_tab_completes_a_command_in_bash(cri: Cri) -> None:
    async with in_terminal("bash", "--norc", "-i", env=ENV) as terminal:
        terminal.type(b"source <(cri-shim completion bash); echo rea''dy\n")
        await terminal.until(lambda seen: b"ready\r\n" in seen)
        terminal.type(b"cri-shim comple\t")
        await terminal.until(lambda seen: seen.endswith(b"cri-shim completion "))
        terminal.type(b"fi\t\n")
        await terminal.until(lambda seen: b"complete -c cri-shim" in seen)
        terminal.type(b"exit\n")
        async with asyncio.timeout(LIMIT_S):
            await terminal.process.wait()


async def test_tab_completes_a_command_in_zsh(cri: Cri) -> None:
    async with in_terminal("zsh", "-f", "-i", env=ENV) as terminal:
        terminal.type(b"autoload -U compinit; compinit -D -u; echo rea''dy\n")
        await terminal.until(lambda seen: b"ready\r\n" in seen)
        terminal.type(b"source <(cri-shim completion zsh); echo taug''ht\n")
        await terminal.until(lambda seen: b"taught\r\n" in seen)
        terminal.type(b"cri-shim comple\tfi\t\n")
        await terminal.until(lambda seen: b"complete -c cri-shim" in seen)
        terminal.type(b"exit\n")
        async with asyncio.timeout(LIMIT_S):
            await terminal.process.wait()
