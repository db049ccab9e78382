"""exec: commands in a container, waited for or talked to."""

import asyncio
import fcntl
import hashlib
import os
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.aio.offload import offload
from cri_shim.rpc.client import Client
from tests.fixtures.commands import LIMIT_S, command, cri_shim, in_terminal
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.host import processes, until
from tests.fixtures.tls import make_certificate


@pytest.fixture
async def container(cri: Cri) -> str:
    return await cri.run(await cri.run_pod(), ["sleep", "1000"])


@pytest.mark.parametrize("flags", [[], ["-i"], ["--sync"]])
async def test_output_error_and_exit_code_are_the_commands(
    cri: Cri, container: str, flags: list[str]
) -> None:
    script = "echo out; echo err >&2; exit 42"
    done = await cri_shim(cri, "exec", *flags, container[:13], "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out\n", b"err\n")


async def test_a_command_that_exceeds_its_timeout_is_killed_with_an_error(
    cri: Cri, container: str
) -> None:
    done = await cri_shim(cri, "exec", "--sync", "--timeout", "1", container, "sleep", "6661")
    assert done.returncode == 125
    assert done.stderr.startswith(b"cri-shim: ")
    assert not processes("sleep", "6661")


async def test_much_input_and_output_pass_whole(cri: Cri, container: str) -> None:
    data = bytes(range(256)) * 80_000
    done = await child.run(
        command(cri, "exec", "-i", container, "cat"), stdin=data, timeout=LIMIT_S, limit=len(data)
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


async def test_input_may_come_from_a_file(cri: Cri, container: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"words\n" * 50_000)
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as taken:
        process = child.spawn(
            command(cri, "exec", "-i", container, "sh", "-c", "sha256sum"), stdin=given.fileno(),
            stdout=taken.fileno(),
        )  # fmt: skip
        async with asyncio.timeout(LIMIT_S):
            assert await process.wait() == 0
    expected = hashlib.sha256(b"words\n" * 50_000).hexdigest()
    assert (tmp_path / "out").read_text() == f"{expected}  -\n"


async def test_a_terminal_follows_the_size_of_the_clients(cri: Cri, container: str) -> None:
    async with in_terminal(*command(cri, "exec", "-it", container, "sh")) as terminal:
        resize(terminal.fd, 37, 101)
        await terminal.until(lambda seen: b"# " in seen)
        terminal.process.kill(signal.SIGWINCH)
        terminal.type(b"test -t 0 && until stty size | grep '37 101'; do sleep 0.05; done\n")
        await terminal.until(lambda seen: b"\n37 101\r\n" in seen)
        resize(terminal.fd, 50, 90)
        terminal.process.kill(signal.SIGWINCH)
        terminal.type(b"until stty size | grep '50 90'; do sleep 0.05; done\n")
        await terminal.until(lambda seen: b"\n50 90\r\n" in seen)
        terminal.type(b"exit 9\n")
        async with asyncio.timeout(LIMIT_S):
            assert await terminal.process.wait() == 9


def resize(fd: int, lines: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


async def test_ctrl_c_reaches_the_command_and_the_terminal_is_restored(
    cri: Cri, container: str
) -> None:
    script = ["sh", "-c", "echo ready; sleep 6662"]
    async with in_terminal(*command(cri, "exec", "-i", "-t", container, *script)) as terminal:
        before = termios.tcgetattr(terminal.fd)
        await terminal.until(lambda seen: b"ready" in seen)
        assert termios.tcgetattr(terminal.fd) != before
        terminal.type(b"\x03")
        async with asyncio.timeout(LIMIT_S):
            assert await terminal.process.wait() == 130
        assert termios.tcgetattr(terminal.fd) == before


async def test_ctrl_c_without_a_terminal_ends_the_command(cri: Cri, container: str) -> None:
    running = child.spawn(command(cri, "exec", "-i", container, "sleep", "6663"))
    try:
        await until(lambda: processes("sleep", "6663"))
        running.kill(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            assert await running.wait() == 128 + signal.SIGINT
        await until(lambda: not processes("sleep", "6663"))
    finally:
        await running.end()


async def test_output_is_shown_before_the_command_ends(cri: Cri, container: str) -> None:
    script = ["sh", "-c", "echo first; until test -e /go; do sleep 0.02; done; echo last"]
    reading, writing = os.pipe()
    running = child.spawn(command(cri, "exec", container, *script), stdout=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", 0) as output:
            async with asyncio.timeout(LIMIT_S):
                assert await offload(output.read, 100) == b"first\n"
                await cri.touch(container, "/go")
                assert await offload(output.read, 100) == b"last\n"
                assert await running.wait() == 0
    finally:
        await running.end()


async def test_environment_directory_and_user_are_those_of_the_call(
    cri: Cri, container: str
) -> None:
    flags = ["-e", "WHO=me", "-e", "HOME", "-w", "/tmp", "-u", "1000:10"]
    script = "echo $WHO $HOME $PWD $(id -u):$(id -g)"
    done = await cri_shim(cri, "exec", *flags, container, "sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"me {os.environ['HOME']} /tmp 1000:10\n"

    unknown = await cri_shim(cri, "exec", "-u", "nobody-like-this", container, "true")
    assert unknown.returncode == 125
    assert b"no user 'nobody-like-this' in /etc/passwd" in unknown.stderr


async def test_input_that_is_not_passed_on_is_told(cri: Cri, container: str) -> None:
    done = await cri_shim(cri, "exec", container, "true", stdin=b"words")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"cri-shim: the input is not passed on: use -i\n"


async def test_a_terminal_option_without_a_terminal_is_refused(cri: Cri, container: str) -> None:
    done = await cri_shim(cri, "exec", "-it", container, "true")
    assert done.returncode == 2
    assert done.stderr.startswith(b"cri-shim: input is not a terminal")


@pytest.mark.parametrize("flags", [[], ["-i"], ["--sync"]])
async def test_a_command_that_cannot_run_is_a_sentence(
    cri: Cri, container: str, flags: list[str]
) -> None:
    missing = await cri_shim(cri, "exec", *flags, container, "nothing-like-this")
    assert missing.returncode == 127
    assert b"cri-shim: cannot execute 'nothing-like-this' in container" in missing.stderr
    refused = await cri_shim(cri, "exec", *flags, container, "/etc/passwd")
    assert refused.returncode == 126
    assert b"cri-shim: cannot execute '/etc/passwd' in container" in refused.stderr
    nowhere = await cri_shim(cri, "exec", *flags, "nowhere", "true")
    assert nowhere.returncode == 125
    assert nowhere.stderr == b"cri-shim: no container or pod with name or ID nowhere\n"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that serves sessions over TLS with a self-signed certificate."""
    directory = tmp_path_factory.mktemp("tls")
    make_certificate(directory, "first")
    files = {
        f"streaming.tls_{name}_file": str(directory / f"{name}.pem") for name in ("cert", "key")
    }
    with private_daemon(2, **files) as daemon:
        yield daemon


async def test_a_session_over_tls_trusts_the_certificate_of_the_configuration(
    encrypted: Daemon,
) -> None:
    async with Client(encrypted.socket) as client:
        cri = Cri(encrypted, client)
        container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
        words = ["exec", "-i", container, "sh", "-c", "cat; head -c 5000000 /dev/zero; exit 3"]
        config = ["--config", str(encrypted.directory / "config.toml")]
        mine = command(cri)
        trusting = await child.run(
            [*mine, *config, *words], stdin=b"hi", timeout=LIMIT_S, limit=6_000_000
        )
        doubting = await child.run([*mine, *words], stdin=b"hi", timeout=LIMIT_S)
        await cri.remove_all()
    assert (trusting.returncode, trusting.stderr) == (3, b"")
    assert trusting.stdout == b"hi" + bytes(5_000_000)
    assert doubting.returncode == 125
    assert doubting.stderr.startswith(b"cri-shim: cannot reach the streaming server at ")
    assert b"certificate" in doubting.stderr
