"""The exit codes of every command, decided here by the class of the error."""

from collections.abc import Sequence

from cri_shim.errors import (
    CommandNotExecutable,
    CommandNotFound,
    CriShimError,
    NotFound,
    PermissionDenied,
    Unreachable,
)

OK, FAILED, USAGE, NO_DAEMON, NOT_FOUND, DENIED = 0, 1, 2, 3, 4, 5
RUN_FAILED, CANNOT_RUN, NO_PROGRAM = 125, 126, 127

MEANINGS = {
    OK: "success",
    FAILED: "the command failed, for all or some of its objects",
    USAGE: "the command line is wrong",
    NO_DAEMON: "no daemon answers",
    NOT_FOUND: "no such pod, container, image or session",
    DENIED: "the role of the socket does not allow it",
    RUN_FAILED: "run, exec: cri-shim failed before the program started",
    CANNOT_RUN: "run, exec: the program cannot be executed",
    NO_PROGRAM: "run, exec: the program was not found",
    130: "ended by Ctrl-C",
    143: "ended by SIGTERM",
}


class Exit(CriShimError):
    """An error for which the command itself names the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class UsageError(Exit):
    """A command line that the parser accepts, and the command cannot."""

    def __init__(self, text: str) -> None:
        super().__init__(USAGE, text)


def of(error: BaseException, failed: int = FAILED) -> int:
    """Return the exit code for an error; `failed` is that of a command's own failure.

    `run` and `exec` have 125 for it, since the codes below belong to the program they run.
    """
    if isinstance(error, Exit):
        return error.code
    if failed != FAILED:
        return _of_program(error, failed)
    if isinstance(error, Unreachable):
        return NO_DAEMON
    if isinstance(error, PermissionDenied):
        return DENIED
    return NOT_FOUND if isinstance(error, NotFound) else FAILED


def _of_program(error: BaseException, failed: int) -> int:
    if isinstance(error, CommandNotExecutable):
        return CANNOT_RUN
    return NO_PROGRAM if isinstance(error, CommandNotFound) else failed


def of_all(codes: Sequence[int]) -> int:
    """Return the exit code for several objects: the one that all failures share, else 1."""
    failures = {code for code in codes if code}
    return failures.pop() if len(failures) == 1 else FAILED if failures else OK


def table() -> str:
    """Return the exit codes as lines of help."""
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
