"""Exec and attach: the streams, the status at the end, and resizes of the terminal.

`protocol` is one of negotiation's names. From v4 on the error stream always carries one JSON
status. Before v4 it carries plain text, and only on failure. v3 and later have a resize stream for
terminals.
"""

import json
from dataclasses import dataclass, field
from enum import IntEnum

from cri_shim.wire.negotiation import V1, V1_BASE64, V2, V3


class Stream(IntEnum):
    """A stream of a session; its value is the WebSocket channel, up to STDERR the descriptor."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4

    @property
    def label(self) -> str:
        """The stream's name, which SPDY has in the header `streamtype`."""
        return self.name.lower()


_PLAIN_STATUS = frozenset({"", V1, V1_BASE64, V2, V3})
_NO_RESIZE = frozenset({"", V1, V1_BASE64, V2})

# The client keeps the status in memory and shows it on one line.
_MAX_ERROR_TEXT = 16 * 1024
_INTERNAL = "Internal error occurred: "


def expected_streams(
    protocol: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool
) -> frozenset[Stream]:
    """Return the streams that the client will open."""
    wanted = {
        Stream.ERROR: True,
        Stream.STDIN: stdin,
        Stream.STDOUT: stdout,
        Stream.STDERR: stderr and not tty,
        Stream.RESIZE: tty and protocol not in _NO_RESIZE,
    }
    return frozenset(kind for kind, is_wanted in wanted.items() if is_wanted)


@dataclass(slots=True)
class StreamSet:
    """Collects the streams of one exec or attach as the peer opens them."""

    expected: frozenset[Stream]
    streams: dict[Stream, int] = field(default_factory=dict)

    def add(self, headers: dict[str, str], stream: int) -> str:
        """Add a stream that the peer opened. Return the problem with it, "" if there is none."""
        label = headers.get("streamtype", "").lower()
        kind = next((kind for kind in self.expected if kind.label == label), None)
        if kind is None:
            return f"a stream of type {label[:32]!r} was not asked for"
        if kind in self.streams:
            return f"the {label} stream exists already"
        self.streams[kind] = stream
        return ""

    @property
    def complete(self) -> bool:
        return len(self.streams) == len(self.expected)

    @property
    def missing(self) -> list[str]:
        return sorted(kind.label for kind in self.expected - self.streams.keys())

    def kind(self, stream: int) -> Stream | None:
        """Return what the stream with this id is; None if it is not in the set."""
        return next((kind for kind, known in self.streams.items() if known == stream), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a session: an exit code, or an error of the runtime if `error` is not empty.

    `kind` is the name of the error's class, for clients that know it.
    """

    exit_code: int = 0
    error: str = ""
    kind: str = ""


def encode_outcome(protocol: str, outcome: Outcome) -> bytes:
    """Return the last bytes of the error stream; before v4 they may be empty.

    A v1 client may miss the text: it disconnects when the outputs have ended.
    """
    if protocol in _PLAIN_STATUS:
        return _plain(outcome).encode()
    return json.dumps(_status(outcome), separators=(",", ":")).encode()


def decode_status(text: bytes) -> Outcome:
    """Decode a status of v4 or later: the client's side of encode_outcome. Never raises."""
    try:
        status = json.loads(text)
        if status["status"] == "Success":
            return Outcome()
        if status.get("reason") == "NonZeroExitCode":
            return Outcome(exit_code=int(status["details"]["causes"][0]["message"]))
        error = str(status["message"]).removeprefix(_INTERNAL)
        causes = (status.get("details") or {}).get("causes") or [{}]
        return Outcome(error=error, kind=str(causes[0].get("reason", "")))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        shown = text[:80].decode(errors="replace")
        return Outcome(error=f"the session ended without a status that can be read: {shown!r}")


def _message(outcome: Outcome) -> str:
    if outcome.error:
        return f"{_INTERNAL}{outcome.error[:_MAX_ERROR_TEXT]}"
    code = outcome.exit_code
    return f"command terminated with non-zero exit code: exit status {code}"


def _plain(outcome: Outcome) -> str:
    return _message(outcome) if outcome.error or outcome.exit_code else ""


def _status(outcome: Outcome) -> dict[str, object]:
    """Build a metav1.Status. The client reads the exit code from the cause, a number 0 to 255."""
    if outcome.error:
        return {
            "metadata": {},
            "status": "Failure",
            "message": _message(outcome),
            "reason": "InternalError",
            "details": {"causes": [_cause(outcome)]},
            "code": 500,
        }
    if outcome.exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(outcome.exit_code & 0xFF)}
    return {
        "metadata": {},
        "status": "Failure",
        "message": _message(outcome),
        "reason": "NonZeroExitCode",
        "details": {"causes": [cause]},
    }


def _cause(outcome: Outcome) -> dict[str, str]:
    reason = {"reason": outcome.kind} if outcome.kind else {}
    return {**reason, "message": outcome.error[:_MAX_ERROR_TEXT]}


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a terminal in characters."""

    width: int
    height: int


class ResizeDecoder:
    """Reads a sequence of {"Width":90,"Height":30} values, cut at any byte.

    Sizes that no terminal can have are skipped. Text that is not such a value ends the decoder:
    resizing stops, as in the reference server, and the session continues.
    """

    _MAX_VALUE = 1024  # bytes of one value; a real one has 30

    def __init__(self) -> None:
        self._held = b""
        self.failed = False

    def feed(self, data: bytes | memoryview) -> list[Size]:
        if self.failed:
            return []
        # The values are flat, so each ends with its first closing brace.
        *values, self._held = (self._held + bytes(data)).split(b"}")
        sizes = []
        try:
            for value in values:
                size = self._read(value + b"}")
                if size is not None:
                    sizes.append(size)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            self.failed = True
        if len(self._held) > self._MAX_VALUE:
            self.failed = True
        if self.failed:
            self._held = b""
        return sizes

    def _read(self, text: bytes) -> Size | None:
        if len(text) > self._MAX_VALUE:
            raise ValueError("too long for a size")
        # Lower case, because Go matches keys without regard to case.
        value = json.loads(text.lower())
        width, height = int(value["width"]), int(value["height"])
        fits = 1 <= width <= 0xFFFF and 1 <= height <= 0xFFFF
        return Size(width, height) if fits else None
