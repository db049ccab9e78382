"""Parses the error messages of OCI runtimes and finds the kind of the failure.

runc writes logfmt lines, crun plain text, and both write JSON lines with --log-format=json. The
words stay unchanged, because operators search for them.
"""

import json
import re

from cri_shim.errors import CommandNotExecutable, CommandNotFound, ToolFailed

_LOGFMT_MESSAGE = re.compile(r'\bmsg="((?:[^"\\]|\\.)*)"')
_LOGFMT_LEVEL = re.compile(r"\blevel=(\w+)")
_ERROR_LEVELS = ("error", "fatal", "panic")
_MISSING_CONTAINER = re.compile(
    r"container does not exist"
    r"|container with id `?[^ ]*`? does not exist"
    r"|error opening file [`'].*/status[`']: No such file or directory"
    r"|cannot open directory [`'].*[`']: No such file or directory"
)
_NO_COMMAND = re.compile(
    r"executable file [`'\"]?.*not found"
    r'|exec: "[^"]*": (stat|permission denied|is a directory)'
    r'|exec: "[^"]*": .*(no such file or directory|permission denied|is a directory)'
    r"|exec \S+: (no such file|permission denied|exec format error)"
    r"|(open|find) executable"
    r"|exec container process|starting container process caused: exec"
    r"|the path `[^`]*` (exists but it is not executable|is not a regular file)"
)
_THERE = re.compile(
    r"permission denied|is a directory|exec format error|exists but it is not executable"
    r"|is not a regular file",
    re.IGNORECASE,
)
MESSAGE_LIMIT = 2000  # characters of a tool's message in an error


def plain(output: str) -> str:
    """Return the message without its log format; several lines become one."""
    found = [_line(line) for line in output.splitlines() if line.strip()]
    text = "; ".join(dict.fromkeys(message for message in found if message))
    return text[-MESSAGE_LIMIT:]


def _line(line: str) -> str:
    message, is_error = _parse(line.strip())
    return message if is_error else ""


def _parse(line: str) -> tuple[str, bool]:
    """Return the message of a line, and whether it is about a failure (a warning is not)."""
    if line.startswith("{"):
        try:
            entry = json.loads(line, strict=False)
            return str(entry["msg"]), entry.get("level", "error") in _ERROR_LEVELS
        except (ValueError, KeyError, TypeError, RecursionError):
            return line, True
    message, level = _LOGFMT_MESSAGE.search(line), _LOGFMT_LEVEL.search(line)
    if message is None:
        return line, True
    return _unquote(message[1]), level is None or level[1] in _ERROR_LEVELS


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": " ", "t": " "}.get(m[1], m[1]), text)


def failure(attempt: str, output: str) -> ToolFailed:
    """Make the error for an attempt ("cannot create container X") with the runtime's message."""
    message = plain(output) or "the OCI runtime gave no reason"
    kind: type[ToolFailed] = ToolFailed
    if _NO_COMMAND.search(message):
        kind = CommandNotExecutable if _THERE.search(message) else CommandNotFound
    return kind(f"{attempt}: {message}")


def is_missing(output: str) -> bool:
    """Whether the message means that the runtime does not know the container."""
    return _MISSING_CONTAINER.search(output) is not None
