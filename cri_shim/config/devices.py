"""The devices of `additional_devices`: HOST[:CONTAINER][:ACCESS], as in Docker and CRI-O."""

import posixpath

from cri_shim.config.checks import once_each
from cri_shim.untrusted import printable

_ALL = "rwm"  # read, write, mknod


def parse(text: str) -> tuple[str, str, str]:
    """Return the path on the node, the path in the container, and the access. ValueError.

    Without a CONTAINER both paths are the same; without an ACCESS it is "rwm".
    """
    shown = printable(repr(text), 100)
    host, *others = text.split(":")
    access = others.pop() if others and _is_access(others[-1]) else _ALL
    if len(others) > 1:
        raise ValueError(f"must be HOST, HOST:CONTAINER or HOST:CONTAINER:ACCESS, not {shown}")
    path = others[0] if others else host
    for one in (host, path):
        if not one.startswith("/") or posixpath.normpath(one) == "/":
            raise ValueError(f"{shown}: a device needs an absolute path, and an access of r, w, m")
    return posixpath.normpath(host), posixpath.normpath(path), access


def _is_access(text: str) -> bool:
    return bool(text) and set(text) <= set(_ALL) and len(set(text)) == len(text)


check = once_each(lambda text: parse(text)[1])
