"""A program's command line without secrets, and the program that it runs, for the log.

The daemon passes secrets by files, standard input and environments, none of which is logged. But a
hook's or a plugin's arguments are an administrator's, and may have any content.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cri_shim.untrusted import one_line

LONGEST = 1000  # characters of a command line
HIDDEN = "***"
LONGEST_INNER = 200
_DEPTH = 8  # programs that run each other; a hook may be a script that runs others

_SECRET = r"(?i:pass(?:word|wd|phrase)?|token|secret|creds?|credentials?|api-?key|auth)"
_OPTION = re.compile(rf"-{{1,2}}(?:[\w.-]*[-_.])?{_SECRET}")  # its value is the next argument
_ASSIGNED = re.compile(rf"((?:[\w.-]*[-_.])?{_SECRET}=).*", re.DOTALL)
_ASSIGNED_OPTION = re.compile(rf"(-{{1,2}}(?:[\w.-]*[-_.])?{_SECRET}[=:]).*", re.DOTALL)
_USER_INFO = re.compile(r"(\w://)[^/@\s]+@")


def shown(argv: Sequence[str]) -> str:
    """Return a command line as one line of bounded length; values of secrets are left out."""
    words: list[str] = []
    hide = False
    for word in argv[1:]:
        words.append(HIDDEN if hide else _without_secret(word))
        hide = _OPTION.fullmatch(word) is not None
    return one_line(" ".join([argv[0], *words]), LONGEST)


def _without_secret(word: str) -> str:
    for pattern in (_ASSIGNED_OPTION, _ASSIGNED):
        if (found := pattern.fullmatch(word)) is not None:
            return found[1] + HIDDEN
    return _USER_INFO.sub(rf"\1{HIDDEN}@", word)


def innermost(pid: int) -> str:
    """Return `, which runs COMMAND`: the last one of the programs that run each other below `pid`.

    "" if it runs none. It is read when it is shown, and may be another one then.
    """
    found = ""
    with suppress(OSError):  # it has ended
        for _ in range(_DEPTH):
            threads = sorted(Path(f"/proc/{pid}/task").iterdir())
            children = [each for t in threads for each in (t / "children").read_text().split()]
            if not children:
                break
            pid = int(children[-1])
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
            found = one_line(
                shown([word.decode(errors="replace") for word in argv] or ["?"]), LONGEST_INNER
            )
    return f", which runs {found}" if found else ""
