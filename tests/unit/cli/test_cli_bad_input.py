"""Every command with a daemon that is not there or not ours, and with an object that has gone.

Each says one plain sentence with a remedy, and has the exit code of its table.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from cri_shim.cli import exit_codes, main
from cri_shim.cli.command_line import parser
from cri_shim.cli.usage import Commands, Parser
from cri_shim.pb import control_pb2 as control
from tests.fixtures.command_lines import LOCAL, OF_DAEMON, OF_IMAGE, OF_OBJECT, OF_PROGRAM, words
from tests.fixtures.foreign_words import foreign

CALLING = [*OF_OBJECT, *OF_IMAGE, *OF_DAEMON]
ID = "4f" * 32

_ALL_AT_ONCE = """
import contextlib, io, json, logging, sys
from cri_shim.cli import main
logging.disable()  # gRPC complains to asyncio of several loops in one process
told, nothing = {}, io.TextIOWrapper(io.BytesIO())
for name, line in json.load(sys.stdin).items():
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(nothing):
        code = main(line)
    told[name] = [code, errors.getvalue()]
print(json.dumps(told))
"""


def commands(of: Parser) -> Iterator[str]:
    """Yield every command below a parser."""
    below = [action for action in of._actions if isinstance(action, Commands)]
    if not below:
        yield of.prog.removeprefix("cri-shim ")
    for action in below:
        for sub in action.choices.values():
            yield from commands(sub)


def test_the_lists_have_every_command() -> None:
    assert sorted([*CALLING, *LOCAL]) == sorted(commands(parser()))


def no_daemon(command: str) -> int:
    return exit_codes.RUN_FAILED if command in OF_PROGRAM else exit_codes.NO_DAEMON


def assert_plain(errors: str) -> str:
    """Return the only line of the errors, which must be plain words."""
    (line,) = errors.splitlines()
    assert line.startswith("cri-shim: ")
    assert foreign(line) == []
    return line


@pytest.mark.parametrize("there", [False, True], ids=["no socket", "a socket that is closed"])
@pytest.mark.parametrize("command", CALLING)
def test_a_command_without_a_daemon_says_how_to_start_it(
    command: str, there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    if there:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

    code = main(["--socket", str(path), *words(command)])

    line = assert_plain(capsys.readouterr().err)
    assert code == no_daemon(command)
    assert f"no daemon answers on {path} (" in line
    assert "start it with `cri-shim serve`" in line


def test_a_socket_that_this_user_may_not_use_is_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "s"
    lines = {each: ["--socket", str(path), *words(each)] for each in CALLING}
    no_override = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    program = [*(no_override if os.geteuid() == 0 else []), sys.executable, "-c", _ALL_AT_ONCE]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0)
        done = subprocess.run(program, input=json.dumps(lines), capture_output=True, text=True)

    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert {each: code for each, (code, _) in told.items()} == {c: no_daemon(c) for c in CALLING}
    sentences = {assert_plain(errors) for _, errors in told.values()}
    assert sentences == {
        f"cri-shim: this user may not use the socket {path} (Permission denied): run the command as"
        " root, or name your own daemon's socket with --socket"
    }


class _Gone(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A daemon that finds every object, and then has it no more."""

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        name = details.method.rpartition("/")[2]

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if name == "Find":
                kind = control.FindRequest.FromString(request).kind or "container"
                found = control.FindResponse(kind=kind, id=ID, name="default/web/main")
                return found.SerializeToString()
            context.abort(grpc.StatusCode.NOT_FOUND, f"no container with id {ID}")
            raise AssertionError

        if "stream" in STREAMS.get(name, ""):

            def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
                yield answer(request, context)

            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)


STREAMS = {
    method.name: "stream"
    for service in control.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.server_streaming
}


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("gone") / "s"
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[_Gone()])
        server.add_insecure_port(f"unix://{path}")
        server.start()
        try:
            yield path
        finally:
            server.stop(None).wait()


@pytest.mark.parametrize("command", OF_OBJECT)
def test_an_object_that_has_just_gone_is_not_found(
    command: str, forgetful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--socket", str(forgetful), *words(command)])

    line = assert_plain(capsys.readouterr().err)
    assert code == (exit_codes.RUN_FAILED if command in OF_PROGRAM else exit_codes.NOT_FOUND)
    assert f"no container with id {ID}" in line
