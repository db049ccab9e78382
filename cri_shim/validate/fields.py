"""Checks of single values; each takes the field's path in the request for its error.

Every text that goes into a file, a path or an argument vector is refused if it has control
characters: a newline would begin a new line in resolv.conf, a NUL would truncate the text.
"""

import ipaddress
import re

from google.protobuf.descriptor import EnumDescriptor

from cri_shim.errors import InvalidArgument, InvalidImageName

MAX_ID_LENGTH = (
    128  # cri-shim's ids have 64; ids of other runtimes on this socket path are accepted
)
MAX_NAME_LENGTH = 253  # the name of a Kubernetes object is a DNS subdomain
MAX_PATH_BYTES = 4095  # PATH_MAX without its NUL
MAX_IMAGE_LENGTH = 2048  # registry, repository, tag and digest fit many times over

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def given(at: str, value: str) -> None:
    """Check a text that must not be empty, and must be plain (`plain`)."""
    if not value:
        raise InvalidArgument(at, "is required")
    plain(at, value)


def plain(at: str, value: str) -> None:
    """Check a text without control characters such as NUL and newline; it may be empty."""
    if any(c < " " or c == "\x7f" for c in value):
        raise InvalidArgument(at, f"{value[:80]!r} has a control character")


def name(at: str, value: str) -> None:
    """Check the name of an object: required, plain, at most 253 characters."""
    given(at, value)
    if len(value) > MAX_NAME_LENGTH:
        raise InvalidArgument(at, f"has {len(value)} characters, {MAX_NAME_LENGTH} are allowed")


def identifier(at: str, value: str) -> None:
    """Check the id of a pod or container, or a prefix of one. It becomes part of paths."""
    if not value:
        raise InvalidArgument(at, "is required")
    if len(value) > MAX_ID_LENGTH or not _ID.fullmatch(value):
        raise InvalidArgument(
            at,
            f"{value[:MAX_ID_LENGTH]!r} is not an ID: letters, digits and . _ - are allowed, "
            f"a letter or digit first, {MAX_ID_LENGTH} at most",
        )


def path(at: str, value: str) -> None:
    """Check a text that could be a path: plain, and within the kernel's limit."""
    plain(at, value)
    if len(value.encode()) > MAX_PATH_BYTES:
        raise InvalidArgument(at, f"is longer than {MAX_PATH_BYTES} bytes")


def absolute(at: str, value: str) -> None:
    """Check an absolute path; empty is refused."""
    path(at, value)
    if not value.startswith("/"):
        raise InvalidArgument(at, f"{value!r} is not an absolute path")


def without_parents(at: str, value: str) -> None:
    """Check a path without `..`."""
    path(at, value)
    if ".." in value.split("/"):
        raise InvalidArgument(at, f"{value!r} goes up by '..'")


def inside(at: str, value: str) -> None:
    """Check a relative path that stays below its directory; it may be empty."""
    without_parents(at, value)
    if value.startswith("/"):
        raise InvalidArgument(at, f"{value!r} is absolute; it is relative to the pod's directory")


def between(at: str, value: int, low: int, high: int) -> None:
    """Check a number from `low` to `high`, both included."""
    if not low <= value <= high:
        raise InvalidArgument(at, f"{value} is not between {low} and {high}")


def known(at: str, value: int, enumeration: EnumDescriptor) -> None:
    """Check a value of an enumeration; proto3 accepts any number."""
    if value not in enumeration.values_by_number:
        names = ", ".join(enumeration.values_by_name)
        raise InvalidArgument(at, f"{value} is none of {names}")


def address(at: str, value: str) -> None:
    """Check an IP address. Python accepts any text as the zone after `%`, even a newline."""
    word(at, value)
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        raise InvalidArgument(at, f"{value!r} is not an IP address") from error


def word(at: str, value: str) -> None:
    """Check one word of a line: not empty, printable, without spaces."""
    if not value or any(c.isspace() or not c.isprintable() for c in value):
        raise InvalidArgument(at, f"{value[:80]!r} is not one word")


def image(at: str, value: str, of: str = "") -> None:
    """Check an image reference: required, without spaces; registry/reference.py parses the rest.

    `of` begins the text of the error, instead of the path of the field.
    """
    shown = repr(value[:80])
    if not value:
        raise InvalidImageName(f"{of}image name is empty", at)
    if any(c.isspace() or not c.isprintable() for c in value):
        raise InvalidImageName(f"{of}{shown} is not an image name: it is not one word", at)
    if len(value) > MAX_IMAGE_LENGTH:
        problem = f"it has {len(value)} characters, {MAX_IMAGE_LENGTH} are allowed"
        raise InvalidImageName(f"{of}{shown}... is not an image name: {problem}", at)
