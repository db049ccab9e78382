"""The one table between the kinds of error and gRPC's status codes, for both directions.

The kubelet acts on few codes: NOT_FOUND means gone, ALREADY_EXISTS is retried, DEADLINE_EXCEEDED
from ExecSync is a probe that timed out, UNAVAILABLE lets it keep following a log, UNIMPLEMENTED
makes it use an older call from then on. For other codes only the text matters: it is shown in the
pod's events.
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
    errors.PermissionDenied: StatusCode.PERMISSION_DENIED,
    errors.Unimplemented: StatusCode.UNIMPLEMENTED,
    errors.CriShimError: StatusCode.UNKNOWN,  # the failure of a tool and every other kind
}

# The reverse table, without the kinds that share a code with a more common kind.
_KINDS: dict[StatusCode, type[errors.CriShimError]] = {
    code: kind
    for kind, code in CODES.items()
    if kind not in (errors.RuntimeStopped, errors.InvalidArgument, errors.CriShimError)
}

# gRPC sends the text in a header, percent-encoded. Receivers refuse headers above 8 KiB in total,
# and would then report that instead of the text.
MAX_TEXT_ON_THE_WIRE = 6 * 1024
_CUT = " [...] "


def code_of(error: BaseException) -> StatusCode:
    """Return the code of an error's nearest listed class; INTERNAL if it is not a CriShimError."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return StatusCode.INTERNAL


# The trailing metadata with the name of the error's class: several classes share a code.
KIND_KEY = "cri-shim-error"


def kind_named(name: str) -> type[errors.CriShimError] | None:
    """Return the class of errors.py with this name, if its errors are made of a text alone."""
    found = getattr(errors, name, None)
    if found is errors.RuntimeStopped:  # of the server, which may start again
        return errors.Unavailable
    if isinstance(found, type) and issubclass(found, errors.CriShimError):
        return found if found.__init__ is errors.CriShimError.__init__ else None
    return None


def error_of(code: StatusCode, text: str, kind: str = "") -> errors.CriShimError:
    """Return the error that a client raises for a status, with the server's text unchanged.

    `kind` is the name of the error's class, from a server that sends it.
    """
    if (known := kind_named(kind)) is not None:
        return known(text)
    if code is StatusCode.INVALID_ARGUMENT:
        return errors.InvalidArgument("", text)
    if code is StatusCode.UNKNOWN:
        return errors.ToolFailed(text)
    return _KINDS.get(code, errors.CriShimError)(text)


def wire_text(text: str) -> str:
    """Return `text` as one printable line; the middle of a long text is left out."""
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
    """Return the bytes of one character after gRPC's percent-encoding."""
    plain = " " <= character <= "~" and character != "%"
    return 1 if plain else 3 * len(character.encode())
