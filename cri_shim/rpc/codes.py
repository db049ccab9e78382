"""The one table between our kinds of error and gRPC's status codes, read in both directions.

The kubelet acts on few codes: NOT_FOUND means gone, ALREADY_EXISTS is retried, DEADLINE_EXCEEDED
from ExecSync is a probe that timed out, UNAVAILABLE keeps it following a log, UNIMPLEMENTED makes
it use an older call for good. For the rest only the text matters: it reaches the pod's events.
"""

from grpc import StatusCode

from cri_shim import errors
from cri_shim.untrusted import one_line

CODES: dict[type[errors.CriShimError], StatusCode] = {
    errors.InvalidArgument: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.WrongState: StatusCode.FAILED_PRECONDITION,
    errors.TimedOut: StatusCode.DEADLINE_EXCEEDED,
    errors.ResourceExhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.RuntimeStopped: StatusCode.UNAVAILABLE,
    errors.Unimplemented: StatusCode.UNIMPLEMENTED,
    errors.CriShimError: StatusCode.UNKNOWN,  # a tool's failure and every other kind of ours
}

# The reverse, without the kinds that share a code with a better known one.
_KINDS: dict[StatusCode, type[errors.CriShimError]] = {
    code: kind
    for kind, code in CODES.items()
    if kind not in (errors.RuntimeStopped, errors.InvalidArgument, errors.CriShimError)
}

# gRPC carries the text in a header, percent-encoded; receivers refuse headers above 8 KiB in total
# and would then report that instead of our text.
MAX_TEXT_ON_THE_WIRE = 6 * 1024
_CUT = " [...] "


def code_of(error: BaseException) -> StatusCode:
    """The status for an error: by its nearest listed class; INTERNAL for what is not ours."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return StatusCode.INTERNAL


def error_of(code: StatusCode, text: str) -> errors.CriShimError:
    """The error a client raises for a status, with the server's text unchanged."""
    if code is StatusCode.INVALID_ARGUMENT:
        return errors.InvalidArgument("", text)
    if code is StatusCode.UNKNOWN:
        return errors.ToolFailed(text)
    return _KINDS.get(code, errors.CriShimError)(text)


def wire_text(text: str) -> str:
    """`text` as it can travel: one printable line, without its middle when it is too long."""
    text = one_line(text)
    if sum(map(_cost, text)) <= MAX_TEXT_ON_THE_WIRE:
        return text
    half = (MAX_TEXT_ON_THE_WIRE - len(_CUT) * 3) // 2
    return _fitting(text, half) + _CUT + _fitting(text[::-1], half)[::-1]


def _fitting(text: str, budget: int) -> str:
    for index, character in enumerate(text):
        budget -= _cost(character)
        if budget < 0:
            return text[:index]
    return text


def _cost(character: str) -> int:
    """Bytes of one character after gRPC's percent-encoding."""
    plain = " " <= character <= "~" and character != "%"
    return 1 if plain else 3 * len(character.encode())
