"""Files and text written by others: read within bounds, checked, and printed within bounds.

A tenant, an image, a registry, a plugin or a careless operator wrote them. Each function either
returns a value that is safe to keep or raises OSError or ValueError with a short reason. None of
them blocks on a FIFO or a device. The caller adds the name of the file or object to the error.
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

NOWHERE = "is a link to what does not exist"  # for who passes over a file that is not there
MAX_FILES = 1000  # of one kind in a directory
MAX_DOTS = 500  # in one line of TOML: the time for a dotted key grows with the square of its parts
MAX_SHOWN = 512  # characters of foreign text in one error or log line
MAX_LINE = 4096  # characters of one message, foreign text and our own together
_CUT = " [...] "
MAX_DEPTH = 100  # of JSON; what the field's tools write has about ten levels
MAX_VALUES = 200_000  # in one JSON text: 40 ms, during which no other thread runs, and 30 MB

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1
# Every digit becomes 0 and all else that is not of a number a space: a hundred times faster than a
# regular expression over megabytes.
_SHAPE = bytes.maketrans(
    bytes(range(256)),
    bytes(0x30 if 0x30 <= c <= 0x39 else c | 0x20 if c in b"eE" else 0x20 for c in range(256)),
)
_EXTREME = (b"0" * 19, b"0e000", b"0e 000")  # shapes of numbers that may be beyond 64 bits


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


def names(
    directory: str | os.PathLike[str], endings: tuple[str, ...], most: int = MAX_FILES
) -> list[str]:
    """The names in a directory that end in one of `endings`, sorted.

    OSError if it cannot be read; ValueError if there are more than `most`.
    """
    with os.scandir(directory) as entries:
        ours = (entry.name for entry in entries if entry.name.endswith(endings))
        found = sorted(islice(ours, most + 1))
    if len(found) > most:
        raise ValueError(f"has more than {most} files that end in {' or '.join(endings)}")
    return found


def reason(error: Exception) -> str:
    """What an OSError or ValueError says, without the path: the caller has a better name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


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

    Refused: nesting deeper than MAX_DEPTH, more than MAX_VALUES (commas in strings count as well),
    integers beyond 64 bits, numbers that are no double, NaN and Infinity, and strings with half a
    surrogate pair, which no protobuf message can hold.
    """
    try:
        # json.loads decodes by itself, but takes UTF-16 and surrogates encoded as bytes as well.
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
    """The TOML document; ValueError for anything else."""
    written = text(data)
    refuse_long_keys(written)
    try:
        return tomllib.loads(written)
    except RecursionError:
        raise ValueError("is TOML nested too deeply") from None
    except ValueError as e:  # also of a number of thousands of digits
        raise ValueError(f"is not TOML: {e}") from e


def refuse_long_keys(toml: str) -> None:
    """ValueError for a text that tomllib would take minutes for."""
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
    """What is read at one depth of the stack is written at another: Python's limit is too near."""
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
    if any(isinstance(item, dict | list) for item in level):
        raise ValueError("is JSON nested too deeply")


def printable(foreign: object, limit: int = MAX_SHOWN) -> str:
    """`foreign` for one line of a log or an error: at most `limit` characters, no control ones.

    Terminal escapes, newlines and what cannot be encoded become visible escapes.
    """
    shown = str(foreign)
    cut = len(shown) > limit
    shown = _visible(shown[:limit])
    return f"{shown[:limit]}... ({len(str(foreign))} characters)" if cut else shown


def first_line(output: bytes) -> str:
    """The first line of a program's output, such as its version."""
    return printable(output.strip().partition(b"\n")[0].decode(errors="replace").strip())


def one_line(foreign: object, limit: int = MAX_LINE) -> str:
    """A whole message in one printable line, without its middle if it is longer than `limit`.

    What a program says first (which step) and last (the cause) is worth more than what is between.
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
