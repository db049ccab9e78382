"""New inputs of old ones. All comes from the generator that is given, so a seed repeats it."""

import json
import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

MOST = 1 << 18  # bytes of an input
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)
_TOKENS = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n",
    b"../",
    b"/",
    b"\x1b[31m",
    b"%s",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\ud800",
    b"\\u0000",
    b"9" * 400,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"A" * 5000,
    b"[" * 3000,
    b'{"a":' * 200,
    "\u20ac\u202e".encode(),
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1 << 31,
    1 << 63,
    1 << 64,
    10**400,
    "",
    "x",
    "\0",
    "\ud800",
    "a\nb",
    "\x1b[2J",
    "../../etc",
    "/",
    "A" * 70_000,
    "0" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    ["x"] * 3000,
    {"a": {"a": {"a": {}}}},
    "sha256:" + "0" * 64,
    "127.0.0.1/8",
    "::ffff:1.2.3.4/128",
    "1.0.0",
)
_DEEP = 600
_PLACES = 2000  # of a text that are looked at


def of_bytes(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """A few changes of any bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _change(rng, changed, corpus)
    return bytes(changed[:MOST])


def _change(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 2, 4, 16, 512, 4096)))
    match rng.randrange(9):
        case 0 if data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        case 1 if data:
            data[at % len(data)] = rng.randrange(256)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * rng.choice((1, 1, 2, 50))
        case 4:
            data[at:at] = rng.choice(_TOKENS)
        case 5:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_NUMBERS) % (1 << 8 * width)
            data[at : at + width] = number.to_bytes(width, rng.choice(("big", "little")))
        case 6:
            other = rng.choice(corpus)
            start = rng.randrange(len(other) + 1)
            data[at:end] = other[start : start + rng.choice((4, 64, 1024))]
        case 7:
            del data[at:]
        case _:
            data[at:end] = rng.randbytes(rng.choice((1, 4, 64)))


def of_json(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """A value of a JSON text is replaced, removed or moved; sometimes arbitrary bytes change."""
    if rng.random() < 0.2:
        return of_bytes(rng, data, corpus)
    try:
        value = json.loads(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            value = _edited(rng, value, corpus)
        return json.dumps(value).encode("utf-8", "surrogatepass")[:MOST]
    except (ValueError, RecursionError):
        return of_bytes(rng, data, corpus)


def _edited(rng: random.Random, value: Any, corpus: Sequence[bytes]) -> Any:
    places = list(islice(_places(value), _PLACES))
    if not places or rng.random() < 0.05:
        return _odd(rng, corpus)
    owner, key = rng.choice(places)
    match rng.randrange(5):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, list) and len(json.dumps(owner)) < 1000:
            owner *= rng.choice((0, 2, 100))
        case 2:
            other, there = rng.choice(places)
            owner[key] = other[there] if _fits(other, there) else _odd(rng, corpus)
        case 3 if isinstance(owner, dict):
            owner[rng.choice(("", "\0", "\ud800", "A" * 3000, "cniVersion", "a\nb"))] = owner[key]
        case _:
            owner[key] = _odd(rng, corpus)
    return json.loads(json.dumps(value))  # without what is in it twice


def _fits(owner: Any, key: Any) -> bool:
    return len(json.dumps(owner[key])) < 10_000


def _places(value: Any, depth: int = 0) -> Any:
    """Every key and index, with its container."""
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(min(len(value), 50))
    for key in keys:
        yield value, key
        if depth < 20:
            yield from _places(value[key], depth + 1)


def _odd(rng: random.Random, corpus: Sequence[bytes]) -> Any:
    if rng.random() < 0.1:
        value: Any = 1
        for _ in range(rng.randrange(_DEEP)):
            value = [value] if rng.random() < 0.5 else {"a": value}
        return value
    return rng.choice(_VALUES)
