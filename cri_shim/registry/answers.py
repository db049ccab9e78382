"""Reads the answers that are not content: failures, and small bodies.

The kind of a failure comes from the registry's error code, or else from the HTTP status, never from
the words of a message. The words are only shown.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from cri_shim.registry import sentences
from cri_shim.registry.connections import Answer, NetworkError, Stalled, TlsFailed, Unreachable
from cri_shim.registry.failure import Failure, Kind
from cri_shim.registry.sentences import Identity, Sentence
from cri_shim.untrusted import parse_json, printable

MAX_ERROR = 64 << 10  # bytes of the body of an error
_NOBODY = Identity()
_SHOWN = 300  # characters of a registry's message
_CODES: Mapping[str, Kind] = {  # errors[].code
    "BLOB_UNKNOWN": "not_found",
    "MANIFEST_UNKNOWN": "not_found",
    "NAME_UNKNOWN": "not_found",
    "NOT_FOUND": "not_found",
    "UNAUTHORIZED": "unauthorized",
    "DENIED": "denied",
    "TOOMANYREQUESTS": "unavailable",
    "UNAVAILABLE": "unavailable",
    "UNSUPPORTED": "unsupported",
}
_STATUSES: Mapping[int, Kind] = {
    401: "unauthorized", 403: "denied", 404: "not_found", 407: "unavailable", 408: "unavailable",
    410: "not_found", 425: "unavailable", 429: "unavailable", 451: "denied",
}  # fmt: skip
_PASSING = {408, 425, 429}  # and every 5xx but 501 and 505
_FINAL = {501, 505}


def failure(
    answer: Answer,
    host: str,
    what: str,
    identity: Identity = _NOBODY,
    now: Callable[[], float] = time.time,
) -> Failure:
    """Return the failure that an answer is; reads its body and closes it.

    `host` was asked for `what`; both are for the text.
    """
    code, words = _error(answer)
    status = answer.status
    passing = status in _PASSING or (status >= 500 and status not in _FINAL)
    kind = _CODES.get(code) or _STATUSES.get(status) or ("unavailable" if passing else "invalid")
    if kind == "unavailable":
        passing = passing or code in _CODES
    said = f"{code}: {words}" if code and words else code or words
    wait = retry_after(answer.headers.get("Retry-After", ""), now())
    passing = passing and kind == "unavailable"

    def sentence() -> Sentence:
        if kind == "not_found":
            return sentences.missing(host, what)
        if kind == "unauthorized":
            return sentences.unauthorized(host, what, identity, words)
        if kind == "denied":
            return sentences.denied(host, what, identity, said or answer_line(status))
        if status == 429:
            return sentences.limited(host, wait, now())
        return sentences.answered(host, what, answer_line(status), said, passing=passing)

    return Failure(kind, *sentence(), passing=passing, wait=wait)


def answer_line(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _error(answer: Answer) -> tuple[str, str]:
    """Return code and message of the first error in a body; "" where it has none."""
    try:
        value = parse_json(body(answer, MAX_ERROR, 30.0))
        first = value["errors"][0] if value.get("errors") else value
        code, words = first.get("code"), first.get("message") or first.get("details")
    except (NetworkError, ValueError, TypeError, AttributeError, LookupError):
        return "", ""
    finally:
        answer.close()
    return (
        printable(code, 40) if isinstance(code, str) else "",
        printable(words, _SHOWN) if isinstance(words, str) else "",
    )


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date; None if it has none."""
    value = value.strip()
    if value.isdecimal() and len(value) < 10:
        return float(value)
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def body(answer: Answer, limit: int, seconds: float) -> bytes:
    """Return a whole body; ValueError above `limit` bytes, Stalled after `seconds` (0: never)."""
    data = bytearray()
    end = time.monotonic() + seconds
    while chunk := answer.read():
        data += chunk
        if len(data) > limit:
            answer.close()
            raise ValueError(f"has more than {limit} bytes")
        if seconds and time.monotonic() > end:
            answer.close()
            raise Stalled(f"the answer was not complete after {seconds:g} s")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != len(data):
        raise NetworkError(f"the connection ended after {len(data)} of {length} bytes")
    return bytes(data)


def network_failure(error: NetworkError, host: str, what: str, patience: float) -> Failure:
    """Return the failure that an error of the network is."""
    sentence = sentences.broken(host, error, what, patience)
    if isinstance(error, Stalled):
        return Failure("stalled", *sentence)
    if isinstance(error, TlsFailed):
        return Failure("unavailable", *sentence, reached=False)
    if isinstance(error, Unreachable):
        refused = error.why == "refused"
        return Failure("unavailable", *sentence, passing=True, reached=False, refused=refused)
    return Failure("unavailable", *sentence, passing=True)
