"""Kinds of command line arguments; argparse turns their errors into usage messages."""

import argparse
from pathlib import Path


def absolute(text: str) -> str:
    """A path, as seen from here."""
    return str(Path(text).absolute())


def assignment(text: str) -> tuple[str, str]:
    """KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, not {text!r}")
    return key, value
