"""Files and text written by others: read within bounds, checked, and printed within bounds.

A tenant, an image, a registry, a plugin or a careless operator wrote them. Each function either
returns a value that is safe to keep or raises OSError or ValueError with a short reason. None of
them blocks on a FIFO or a device. The caller adds the name of the file or object to the error.
"""

import errno
import json
import os
import re
import stat
from typing import Any

MAX_SHOWN = 512  # characters of foreign text in one error or log line
MAX_DEPTH = 500  # of JSON: what is nested deeper may end recursive code, whose limit is 1000 calls

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_file(path: str | os.PathLike[str], limit: int, *, dir_fd: int | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    OSError if it cannot be read or is no regular file; ValueError if it is larger.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=dir_fd)
    try:
        return read_descriptor(fd, limit)
    finally:
        os.close(fd)


def read_descriptor(fd: int, limit: int) -> bytes:
    """The same for an open file, from its current offset; the descriptor stays open."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    with os.fdopen(fd, "rb", closefd=False) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    return data


def text(data: bytes) -> str:
    """`data` as UTF-8 text without NUL; ValueError says what is wrong."""
    try:
        decoded = data.decode()
    except UnicodeDecodeError as e:
        raise ValueError(f"is not UTF-8 text (byte {e.start})") from None
    if "\0" in decoded:
        raise ValueError(f"has a NUL character (at {decoded.index(chr(0))})")
    return decoded


def parse_json(data: bytes | str) -> Any:
    """The JSON value; ValueError for anything else, also for what only Python would take.

    Refused: nesting deeper than MAX_DEPTH, numbers of thousands of digits, NaN and Infinity,
    and strings with half a surrogate pair, which no protobuf message can hold.
    """
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("is JSON nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair in a string") from None
    except UnicodeDecodeError as e:
        raise ValueError(f"is not UTF-8 text (byte {e.start})") from None
    except json.JSONDecodeError as e:
        raise ValueError(f"is not JSON: {e}") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        raise ValueError("is JSON nested too deeply")
    return value


def _is_too_deep(value: Any) -> bool:
    """Whether values are nested deeper than MAX_DEPTH. Some releases of Python parse far deeper."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _containers_in(outer)]
        if not level:
            return False
    return True


def _containers_in(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"is not JSON: {name} is not a JSON value")


def printable(foreign: object, limit: int = MAX_SHOWN) -> str:
    """`foreign` for one line of a log or an error: at most `limit` characters, no control ones.

    Terminal escapes, newlines and what cannot be encoded become visible escapes.
    """
    shown = str(foreign)
    cut = len(shown) > limit
    shown = "".join(c if c.isprintable() else _escaped(c) for c in shown[:limit])
    return f"{shown[:limit]}... ({len(str(foreign))} characters)" if cut else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
