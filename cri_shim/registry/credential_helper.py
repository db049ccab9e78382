"""Runs docker-credential-NAME, which prints the credential of a server."""

import os
import re

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
    import subprocess  # most nodes have no helper

    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise Failure("argument", f"{name!r} is not the name of a credential helper")
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=TIME_LIMIT_S,
            cwd="/",
            env=os.environ,
        )
    except subprocess.TimeoutExpired:
        text = f"{program} gave no credential for {server} within {TIME_LIMIT_S:g} s"
        raise Failure("unauthorized", text) from None
    except OSError as e:
        raise Failure("unauthorized", f"cannot run {program}: {e.strerror}") from e
    if done.returncode:
        if _NONE in done.stdout:
            return None
        words = first_line(done.stdout or done.stderr)
        raise Failure("unauthorized", f"{program} has no credential for {server}: {words}")
    return _parsed(done.stdout, program)


def _parsed(answer: bytes, program: str) -> Credential | None:
    if len(answer) > _LIMIT:
        raise Failure("unauthorized", f"{program} wrote {len(answer)} bytes, at most {_LIMIT} work")
    try:
        value = parse_json(answer)
    except ValueError as e:
        raise Failure("unauthorized", f"the answer of {program} {e}") from None
    if not isinstance(value, dict):
        raise Failure("unauthorized", f"the answer of {program} is not a JSON object")
    return of_helper(value)
