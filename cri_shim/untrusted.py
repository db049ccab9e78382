"""Reads, checks and prints files and text that others wrote, all with limits.

They come from a tenant, an image, a registry, a plugin or an operator. Each function returns a
value that is safe to keep, or raises OSError or ValueError with a short reason. No function blocks
on a FIFO or a device. The caller adds the name of the file or object to the error.
"""

import errno
import json
import math
import os
import re
import stat
import tomllib
from itertools import islice
from typing import Any

NOWHERE = "is a link to what does not exist"  # for callers that skip missing files
MAX_FILES = 1000  # files of one kind in a directory
MAX_DOTS = 500  # dots in a line of TOML: the time for a dotted key grows with its square
MAX_SHOWN = 512  # characters of foreign text in one error or log line
MAX_LINE = 4096  # characters of one message, with foreign text
_CUT = " [...] "
MAX_DEPTH = 100  # levels of JSON; the JSON of container tools has about ten
MAX_VALUES = 200_000  # values in one JSON text: 40 ms without another thread, and 30 MB

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1
# Every digit becomes 0, every character that is not part of a number a space. For megabytes this
# is a hundred times faster than a regular expression.
_SHAPE = bytes.maketrans(
    bytes(range(256)),
    bytes(0x30 if 0x30 <= c <= 0x39 else c | 0x20 if c in b"eE" else 0x20 for c in range(256)),
)
_EXTREME = (b"0" * 19, b"0e000", b"0e 000")  # shapes of numbers that may be beyond 64 bits


def read_file(path: str | os.PathLike[str], limit: int, *, dir_fd: int | None = None) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    OSError if it cannot be read or is not a regular file; ValueError if it is larger.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=dir_fd)
    try:
        return read_descriptor(fd, limit)
    finally:
        os.close(fd)


def read_descriptor(fd: int, limit: int) -> bytes:
    """Like `read_file`, for an open file from its current offset; the descriptor stays open."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    with os.fdopen(fd, "rb", closefd=False) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    return data


def names(
    directory: str | os.PathLike[str], endings: tuple[str, ...], most: int = MAX_FILES
) -> list[str]:
    """Return the names in a directory that end in one of `endings`, sorted.

    OSError if it cannot be read; ValueError if there are more than `most`.
    """
    with os.scandir(directory) as entries:
        ours = (entry.name for entry in entries if entry.name.endswith(endings))
        found = sorted(islice(ours, most + 1))
    if len(found) > most:
        raise ValueError(f"has more than {most} files that end in {' or '.join(endings)}")
    return found


def reason(error: Exception) -> str:
    """Return the text of an OSError or ValueError without the path, which the caller adds."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def text(data: bytes) -> str:
    """Decode UTF-8 text without NUL; ValueError says the problem."""
    try:
        decoded = data.decode()
    except UnicodeDecodeError as e:
        raise ValueError(f"is not UTF-8 text (byte {e.start})") from None
    if "\0" in decoded:
        raise ValueError(f"has a NUL character (at {decoded.index(chr(0))})")
    return decoded


def parse_json(data: bytes | str) -> Any:
    """Parse JSON; ValueError for other text, also for text that only Python accepts.

    Refused: nesting deeper than MAX_DEPTH, more than MAX_VALUES (commas in strings count, too),
    integers beyond 64 bits, numbers that are not a double, NaN and Infinity, and strings with half
    a surrogate pair, which no protobuf message can contain.
    """
    try:
        # json.loads decodes bytes, too, but it also accepts UTF-16 and encoded surrogates.
        raw = data.encode() if isinstance(data, str) else data
        text = data if isinstance(data, str) else data.decode()
        opened = raw.count(b"[") + raw.count(b"{")
        if opened + raw.count(b",") > MAX_VALUES:
            raise ValueError(f"is JSON of more than {MAX_VALUES} values")
        shape = raw.translate(_SHAPE)
        if any(extreme in shape for extreme in _EXTREME):
            value = json.loads(
                text, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_finite
            )
        else:
            value = json.loads(text, parse_constant=_refuse_constant)
        if opened > MAX_DEPTH:
            _refuse_depth(value)
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
    return value


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse TOML; ValueError for other text."""
    written = text(data)
    refuse_long_keys(written)
    try:
        return tomllib.loads(written)
    except RecursionError:
        raise ValueError("is TOML nested too deeply") from None
    except ValueError as e:  # also for a number of thousands of digits
        raise ValueError(f"is not TOML: {e}") from e


def refuse_long_keys(toml: str) -> None:
    """Raise ValueError for a text that tomllib would parse for minutes."""
    if any(line.partition("=")[0].count(".") > MAX_DOTS for line in toml.split("\n")):
        raise ValueError(f"nested too deeply: a key has more than {MAX_DOTS} parts")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"is not JSON: {name} is not a JSON value")


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(_LOWEST)) else _HIGHEST + 1
    if not _LOWEST <= number <= _HIGHEST:
        raise ValueError(f"has a number beyond 64 bits: {printable(digits, 20)}")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"has a number that is too large: {printable(text, 20)}")
    return number


def _refuse_depth(value: Any) -> None:
    """Limit the depth: writing may start deeper in the stack than reading, near Python's limit."""
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
    if any(isinstance(item, dict | list) for item in level):
        raise ValueError("is JSON nested too deeply")


def printable(foreign: object, limit: int = MAX_SHOWN) -> str:
    """Make `foreign` fit a line of a log or error: `limit` characters, no control characters.

    Terminal escapes, newlines and characters that cannot be encoded become visible escapes.
    """
    shown = str(foreign)
    cut = len(shown) > limit
    shown = _visible(shown[:limit])
    return f"{shown[:limit]}... ({len(str(foreign))} characters)" if cut else shown


def first_line(output: bytes) -> str:
    """Return the first line of a program's output, such as its version."""
    return printable(output.strip().partition(b"\n")[0].decode(errors="replace").strip())


def one_line(foreign: object, limit: int = MAX_LINE) -> str:
    """Make a message one printable line; the middle is left out above `limit` characters.

    The beginning (the step) and the end (the cause) of a program's message matter most.
    """
    shown = _without_middle(str(foreign), limit)
    if shown.isprintable():
        return shown
    lines = filter(None, map(str.strip, shown.split("\n")))
    return _without_middle(_visible(" | ".join(lines)), limit)


def _without_middle(text: str, limit: int) -> str:
    half = (limit - len(_CUT)) // 2
    return text if len(text) <= limit else text[:half] + _CUT + text[-half:]


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
