"""Types of command line arguments; argparse turns their errors into usage messages."""

import argparse
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cri_shim.errors import CriShimError

CONTAINER = "container: [[NAMESPACE/]POD/]NAME, ID, or unique ID prefix"  # help text
TEMPLATE = "go-template="  # the output format that has a template
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRANSPORTS = ("docker-archive:", "oci-archive:", "oci:", "dir:")
_SPAN = re.compile(
    r"(?=.)(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII
)
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([bkmgt]?)(?:i?b)?", re.ASCII)


def absolute(text: str) -> str:
    """Return an absolute path."""
    return str(Path(text).absolute())


def assignment(text: str) -> tuple[str, str]:
    """Parse KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, not {text!r}")
    return key, value


def variable(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE, or NAME, which has the value of this program's own variable."""
    name, equals, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE or NAME, not {text!r}")
    if not equals and name not in os.environ:
        raise argparse.ArgumentTypeError(f"{name} has no value here: give it as {name}=VALUE")
    return name, value if equals else os.environ[name]


def memory(text: str) -> int:
    """Parse bytes with a unit of 1024: 512m, 2g, 64MiB."""
    found = _MEMORY.fullmatch(text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a size as 512m or 2g, not {text!r}")
    return int(float(found[1]) * 1024 ** "bkmgt".index(found[2] or "b"))


def ports(text: str) -> tuple[int, int]:
    """Parse [LOCAL:]REMOTE; a LOCAL that is empty or 0 is any free port."""
    local, colon, remote = text.rpartition(":")
    words = (local or "0" if colon else remote, remote)
    if not all(word.isascii() and word.isdigit() and int(word) < 1 << 16 for word in words):
        raise argparse.ArgumentTypeError(f"must be [LOCAL:]REMOTE like 8080:80, not {text!r}")
    if not int(remote):
        raise argparse.ArgumentTypeError(f"{text!r} names no port of the pod")
    return int(words[0]), int(remote)


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """The format of an output: one of `words`, or go-template= with a template."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text.startswith(TEMPLATE) and TEMPLATE in self.words:
            from cri_shim.cli import template

            try:
                template.parse(text.removeprefix(TEMPLATE))
            except CriShimError as e:
                raise argparse.ArgumentTypeError(str(e)) from e
            return text
        if text in self.words and text != TEMPLATE:
            return text
        known = ", ".join(w + "TEMPLATE" if w == TEMPLATE else w for w in self.words)
        raise argparse.ArgumentTypeError(f"must be one of {known}, not {text!r}")


def key_assignment(text: str) -> tuple[str, str]:
    """Parse KEY=VALUE, where KEY is one of the configuration. Completion distinguishes this."""
    return assignment(text)


def duration(text: str) -> float:
    """Parse a time span: 30, 30s or 1m30s; seconds."""
    if text.isascii() and text.isdigit() and int(text):
        return float(int(text))
    if not (spans := _SPAN.fullmatch(text)) or not (seconds := _seconds(spans)):
        raise argparse.ArgumentTypeError(f"must be a time span like 30s or 1m30s, not {text!r}")
    return seconds


def count(text: str) -> int:
    """Parse a number that is not negative."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)


def pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression."""
    try:
        return re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {e}") from e


def since(text: str) -> int:
    """Parse a time (RFC 3339; the local zone if none is given) or an age; ns since the epoch."""
    if spans := _SPAN.fullmatch(text):
        return int((time.time() - _seconds(spans)) * 1e9)
    try:
        passed = datetime.fromisoformat(text).astimezone() - _EPOCH
    except (ValueError, OverflowError) as e:
        raise argparse.ArgumentTypeError(
            f"must be a time as 2025-01-31T12:00:00Z or an age as 1h30m, not {text!r}"
        ) from e
    return (passed.days * 86400 + passed.seconds) * 10**9 + passed.microseconds * 1000


def _seconds(spans: re.Match[str]) -> float:
    hours, minutes, seconds = (float(span or 0) for span in spans.groups())
    return hours * 3600 + minutes * 60 + seconds


def pod_id(text: str) -> str:
    """The name or id of a pod, or a prefix of an id. Completion distinguishes these types."""
    return _not_empty(text)


def container_id(text: str) -> str:
    """The name or id of a container, or a prefix of an id."""
    return _not_empty(text)


def any_id(text: str) -> str:
    """The name or id of a pod or a container, or a prefix of an id."""
    return _not_empty(text)


def image_name(text: str) -> str:
    """A name of an image that is here, or its id."""
    return text


def image_source(text: str, bare: str = "") -> str:
    """A source of skopeo with an absolute path; `bare` is the transport of one without."""
    for transport in _TRANSPORTS:
        if text.startswith(transport):
            return f"{transport}{Path(text.removeprefix(transport)).absolute()}"
    return f"{bare}{Path(text).absolute()}"


def image_target(text: str) -> str:
    """A target of skopeo with an absolute path: a docker-archive, if no transport is named."""
    return image_source(text, "docker-archive:")


def handler(text: str) -> str:
    """The name of a runtime handler."""
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty: every id begins so")
    return text
