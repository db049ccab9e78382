"""Commands with wrong input: one plain sentence, and an exit code that is not 0."""

from collections.abc import AsyncIterator, Iterator

import pytest

from cri_shim.cli import exit_codes
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.command_lines import NAME, OF_IMAGE, OF_OBJECT, OF_PROGRAM, words
from tests.fixtures.commands import cri_shim
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.foreign_words import foreign

NEVER = ("run", "--pull", "never")
WRONG: tuple[tuple[str, ...], ...] = (
    ("logs", ""), ("logs", "a b"), ("logs", "--tail", "x", "y"), ("exec", "", "ls"),
    ("exec", "x y", "ls"), ("exec", "web"), ("inspect", ""), ("stop", ""), ("rm", "a\x1b[31m"),
    ("run", "", "x"), ("run", "Foo Bar", "x"), (*NEVER, "-v", "x", "localhost/busybox:test"),
    (*NEVER, "-e", "=x", "localhost/busybox:test"),
    (*NEVER, "-u", "nosuch", "localhost/busybox:test"),
    ("image", "rm", ""), ("image", "tag", "localhost/busybox:test", "A B"),
    ("image", "save", "nosuch", "/nope/x"), ("image", "load", "/nope"), ("image", "pull", "a b"),
    ("ps", "--pod", "x y"), ("ps", "--name", "("), ("pods", "--label", "x"), ("hooks", "nosuch"),
    ("config", "--from-crio", "/nope"), ("log-level", "x"), ("sessions", "end", "nosuch"),
    ("sessions", "end"), ("sessions", "nosuch"), ("audit",), ("audit", "--file", "/nope"),
    ("audit", "verify", "--file", "/nope"), ("audit", "--last", "x"), ("reload", "x"),
    ("serv",), ("pods", "-o", "nosuch"),
    ("pods", "-o", "go-template={{"), ("--nosuch",),
)  # fmt: skip


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(0) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        yield Cri(daemon, client)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
async def test_wrong_input_is_told_in_plain_words(cri: Cri, words: tuple[str, ...]) -> None:
    done = await cri_shim(cri, *words)

    told = done.stderr.decode().strip().splitlines()
    assert done.returncode != 0
    assert told
    assert foreign(told[-1]) == []
    assert "Traceback" not in done.stderr.decode()


def naming(command: str, name: str) -> list[str]:
    """Return the command's line with another name for its object."""
    return [word.replace(NAME, name) for word in words(command)]


async def told(cri: Cri, line: list[str]) -> tuple[int, str]:
    """Return the exit code and the only line of the errors of a command that must fail."""
    done = await cri_shim(cri, *line)
    (error,) = done.stderr.decode().splitlines()
    assert foreign(error) == []
    return done.returncode, error


def failure(command: str, code: int) -> int:
    return exit_codes.RUN_FAILED if command in OF_PROGRAM else code


@pytest.mark.parametrize("command", [*OF_OBJECT, *OF_IMAGE])
async def test_an_unknown_object_is_not_found(cri: Cri, command: str) -> None:
    code, error = await told(cri, naming(command, "nosuch"))

    assert code == failure(command, exit_codes.NOT_FOUND)
    assert "nosuch" in error


OF_CONTAINER = [
    command for command in OF_OBJECT
    if command not in ("logs", "inspect", "start", "stop", "rm", "port-forward", "timeline")
]  # fmt: skip


@pytest.mark.parametrize("command", OF_CONTAINER)
async def test_a_pod_without_containers_is_not_a_container(cri: Cri, command: str) -> None:
    await cri.run_pod(pod_config(cri.daemon, "empty"))
    try:
        code, error = await told(cri, naming(command, "test/empty"))
    finally:
        await cri.remove_all()

    assert code == failure(command, exit_codes.NOT_FOUND)
    assert error == "cri-shim: pod test/empty has no container"


async def test_a_container_is_not_a_pod_nor_an_image(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "1000"], "lonely")
    try:
        assert await told(cri, ["port-forward", "lonely", "0:80"]) == (
            exit_codes.NOT_FOUND,
            "cri-shim: no pod with name or ID lonely",
        )
        for command in OF_IMAGE:
            code, error = await told(cri, naming(command, container))
            assert (code, "image" in error) == (exit_codes.NOT_FOUND, True), command
    finally:
        await cri.remove_all()


async def test_an_image_is_not_a_container(cri: Cri) -> None:
    for command in OF_OBJECT:
        code, error = await told(cri, naming(command, busybox.NAME.partition(":")[0]))
        assert code == failure(command, exit_codes.NOT_FOUND), (command, error)
