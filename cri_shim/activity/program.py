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
    """Return `, which runs NAME`: the last one of the programs that run each other below `pid`.

    "" if it runs none. It is read when it is shown, and may be another one then. The name is the
    kernel's (of a script: the script's), because reading a command line may block.
    """
    name = ""
    with suppress(OSError):  # it has ended
        for _ in range(_DEPTH):
            threads = list(Path(f"/proc/{pid}/task").iterdir())
            children = [each for t in threads for each in (t / "children").read_text().split()]
            if not children:
                break
            pid = max(map(int, children))  # the youngest: a hook is started after its container
            name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return f", which runs {one_line(name)}" if name else ""
