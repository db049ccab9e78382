"""Runs docker-credential-NAME, which prints the credential of a server."""

import contextlib
import os
import re
import signal
import threading

from cri_shim.registry.credentials import Credential, of_helper
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import first_line, parse_json

TIME_LIMIT_S = 30.0
_LIMIT = 64 << 10  # bytes of its answer
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NONE = b"credentials not found"  # the words that the protocol defines for "has none"


def ask(name: str, server: str) -> Credential | None:
    """Return the credential that a helper has for a server; None if it has none.

    The server is written to its input and the secret is read from its output. Failure if the
    helper is missing, fails, or takes longer than TIME_LIMIT_S.
    """
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise Failure("argument", f"{name!r} is not the name of a credential helper")
    try:
        code, output, errors = _run(program, server)
    except TimeoutError:
        text = f"{program} gave no credential for {server} within {TIME_LIMIT_S:g} s"
        raise Failure("unauthorized", text) from None
    except OSError as e:
        raise Failure("unauthorized", f"cannot run {program}: {e.strerror}") from e
    if len(output) > _LIMIT:
        raise Failure("unauthorized", f"{program} writes more than {_LIMIT} bytes")
    if code == 0:
        return _parsed(output, program)
    if _NONE in output + errors:
        return None
    words = first_line(output) or first_line(errors) or f"exit status {code}"
    raise Failure("unauthorized", f"{program} has no credential for {server}: {words}")


def _run(program: str, server: str) -> tuple[int, bytes, bytes]:
    """Return exit code, output and the beginning of stderr; TimeoutError after TIME_LIMIT_S.

    The helper and the programs that it started are killed at the end.
    """
    import subprocess  # most nodes have no helper

    stderr = os.memfd_create("stderr", os.MFD_CLOEXEC)
    late = threading.Event()
    try:
        child = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd="/",
            start_new_session=True,
        )
        timer = threading.Timer(TIME_LIMIT_S, _end, [late, child.pid])
        timer.start()
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(server.encode())
        output = child.stdout.read(_LIMIT + 1)
        if len(output) > _LIMIT:
            _kill(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        _kill(child.pid)  # the process is not reaped, so that the number is still its own
        child.stdout.close()
        if late.is_set():
            raise TimeoutError
        return child.wait(), output, os.pread(stderr, _LIMIT, 0)
    finally:
        os.close(stderr)


def _end(late: threading.Event, group: int) -> None:
    late.set()
    _kill(group)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _parsed(answer: bytes, program: str) -> Credential | None:
    try:
        value = parse_json(answer)
    except ValueError as e:
        raise Failure("unauthorized", f"the answer of {program} {e}") from None
    if not isinstance(value, dict):
        raise Failure("unauthorized", f"the answer of {program} is not a JSON object")
    return of_helper(value)
