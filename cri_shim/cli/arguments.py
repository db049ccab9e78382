"""Types of command line arguments; argparse turns their errors into usage messages."""

import argparse
import re
import time
from datetime import UTC, datetime
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = re.compile(
    r"(?=.)(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII
)


def absolute(text: str) -> str:
    """Return an absolute path."""
    return str(Path(text).absolute())


def assignment(text: str) -> tuple[str, str]:
    """Parse KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, not {text!r}")
    return key, value


def pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression."""
    try:
        return re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {e}") from e


def since(text: str) -> int:
    """Parse a time (RFC 3339; the local zone if none is given) or an age; ns since the epoch."""
    if spans := _SPAN.fullmatch(text):
        hours, minutes, seconds = (float(span or 0) for span in spans.groups())
        return int((time.time() - (hours * 3600 + minutes * 60 + seconds)) * 1e9)
    try:
        passed = datetime.fromisoformat(text).astimezone() - _EPOCH
    except (ValueError, OverflowError) as e:
        raise argparse.ArgumentTypeError(
            f"must be a time as 2025-01-31T12:00:00Z or an age as 1h30m, not {text!r}"
        ) from e
    return (passed.days * 86400 + passed.seconds) * 10**9 + passed.microseconds * 1000


def pod_id(text: str) -> str:
    """The id of a pod, or a prefix of one. Completion distinguishes these types."""
    return _begins_one(text)


def container_id(text: str) -> str:
    """The id of a container, or a prefix of one."""
    return _begins_one(text)


def any_id(text: str) -> str:
    """The id of a pod or a container, or a prefix of one."""
    return _begins_one(text)


def image_name(text: str) -> str:
    """A name of an image that is here, or its id."""
    return text


def _begins_one(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an id must not be empty: every id begins so")
    return text


def overrides(args: argparse.Namespace) -> dict[str, str]:
    """Return the configuration keys that flags set."""
    named = {
        "server.root": args.root,
        "server.run_root": args.run_root,
        "server.socket": args.socket,
        "server.log_level": args.log_level,
    }
    return dict(args.set) | {key: value for key, value in named.items() if value is not None}
