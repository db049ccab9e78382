"""Frees addresses that the bundled network has reserved for no pod.

host-local keeps a file for each address, with the address as its name and the pod's id as its
content, and frees the address by that id. A power cut can leave the name without the content: then
no DEL would ever free the address.
"""

import logging
from collections.abc import Container
from ipaddress import ip_address
from pathlib import Path

from cri_shim import untrusted

_LIMIT = 4096  # bytes of a file: an id and the name of an interface

_log = logging.getLogger(__name__)


def free_unclaimed(directory: Path, claimed: Container[str]) -> None:
    """Remove every reservation whose pod is not among the `claimed` ids. Raises OSError.

    No ADD of that network may run meanwhile.
    """
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if _is_address(path.name) and (holder := _holder(path)) not in claimed:
            _log.warning("freeing address %s: its pod %r is not known", path.name, holder)
            path.unlink(missing_ok=True)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _holder(path: Path) -> str:
    """Return the id in the first line; "" if there is none."""
    try:
        text = untrusted.text(untrusted.read_file(path, _LIMIT))
    except (OSError, ValueError):
        return ""
    return text.partition("\n")[0].strip()
