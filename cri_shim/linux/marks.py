"""Marks: files of one short line that one daemon leaves for the next, such as a boot id.

A mark that is not such a file (binary, a FIFO, a directory, cut short by a full disk) reads as "".
This is not an error.
"""

import logging
from pathlib import Path

from cri_shim.linux.privacy import write_private
from cri_shim.untrusted import read_file, reason, text

LIMIT = 4096  # bytes

_log = logging.getLogger(__name__)


def read(mark: Path) -> str:
    """Return the text of the mark without blanks around it; "" if it is missing or unreadable."""
    try:
        return text(read_file(mark, LIMIT)).strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as e:
        _log.error("the mark %s says nothing: %s", mark, reason(e))
        return ""


def write(mark: Path, text: str) -> None:
    """Write `text` to the mark, completely or not at all. OSError, for example for a full disk."""
    if mark.is_dir() and not mark.is_symlink():
        mark.rmdir()
    write_private(mark, text + "\n")
