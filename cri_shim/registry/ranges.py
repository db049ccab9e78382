"""Whether an answer continues a blob where the part of it ends (RFC 9110, 14); pure."""

import re
from collections.abc import Mapping

from cri_shim.registry.failure import Failure

_RANGE = re.compile(r"bytes +([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class BeginAgain(Exception):
    """The server cannot continue the blob: it has to be sent from its first byte."""


def request(at: int) -> dict[str, str]:
    """Return the headers that ask for the bytes from `at` on."""
    return {"Range": f"bytes={at}-"} if at else {}


def to_skip(status: int, headers: Mapping[str, str], at: int, size: int, attempt: str) -> int:
    """Return how many bytes of the body are before `at`, the size of the part.

    `size` is that of the whole blob. BeginAgain if the answer starts after `at`; Failure if the
    server's blob has another size.
    """
    if status == 416:
        raise BeginAgain
    if status == 206:
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) > at:
            raise BeginAgain
        start, total = int(found[1]), found[3]
        if total != "*":
            _check(int(total), size, attempt)
        return at - start
    length = headers.get("Content-Length", "")
    if length.isdecimal():
        _check(int(length), size, attempt)
    return at


def _check(found: int, size: int, attempt: str) -> None:
    if found != size:
        text = f"{attempt}: the registry says that it has {found} bytes, the manifest {size}"
        raise Failure("invalid", text)
