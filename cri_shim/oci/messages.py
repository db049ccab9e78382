"""What OCI runtimes say of a failure, put plainly, and what kind of failure it is.

runc writes logfmt lines, crun plain text, both JSON lines with --log-format=json. The words are
kept as they are: they are what an operator will search for.
"""

import json
import re

from cri_shim.errors import ToolFailed

_LOGFMT_MESSAGE = re.compile(r'\bmsg="((?:[^"\\]|\\.)*)"')
_LOGFMT_LEVEL = re.compile(r"\blevel=(\w+)")
_GRAVE = ("error", "fatal", "panic")
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
MESSAGE_LIMIT = 2000  # characters of a tool's words that go into an error


class CommandNotFound(ToolFailed):
    """The program asked for cannot be executed: not there, not a file, not permitted."""


def plain(said: str) -> str:
    """The message without the form it was logged in; several lines become one."""
    found = [_line(line) for line in said.splitlines() if line.strip()]
    text = "; ".join(dict.fromkeys(message for message in found if message))
    return text[-MESSAGE_LIMIT:]


def _line(line: str) -> str:
    message, grave = _parse(line.strip())
    return message if grave else ""


def _parse(line: str) -> tuple[str, bool]:
    """A line's message, and whether it tells of a failure (a warning does not)."""
    if line.startswith("{"):
        try:
            entry = json.loads(line, strict=False)
            return str(entry["msg"]), entry.get("level", "error") in _GRAVE
        except (ValueError, KeyError, TypeError, RecursionError):
            return line, True
    message, level = _LOGFMT_MESSAGE.search(line), _LOGFMT_LEVEL.search(line)
    if message is None:
        return line, True
    return _unquote(message[1]), level is None or level[1] in _GRAVE


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": " ", "t": " "}.get(m[1], m[1]), text)


def failure(attempt: str, said: str) -> ToolFailed:
    """The error for a failed attempt ("cannot create container X") with the runtime's own words."""
    words = plain(said) or "the OCI runtime gave no reason"
    kind = CommandNotFound if _NO_COMMAND.search(words) else ToolFailed
    return kind(f"{attempt}: {words}")


def is_missing(said: str) -> bool:
    """Whether the runtime's words mean that it does not know the container."""
    return _MISSING_CONTAINER.search(said) is not None
