"""Gives errors the names of the objects that they mention.

A driver knows a pod or container by its id alone, and says so in its errors. Before an error leaves
the daemon or the library, ids of known objects become `container default/web/main (8cd3f7760b4f)`,
as log lines have it. An id in a path stays as it is.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cri_shim.errors import CriShimError

Named = Callable[[str, str], object | None]  # (kind, id) -> the object's name; None: no such object

_ID = re.compile(r"(?<![\w/.:-])(?:(?:pod|container) )?([0-9a-f]{64})(?![\w/-]|\.\w)")
_KINDS = ("container", "pod")


@contextmanager
def naming_objects(named: Named) -> Iterator[None]:
    """In the block, a CriShimError gets the names of objects in place of their ids."""
    try:
        yield
    except CriShimError as error:
        error.args = (with_names(str(error), named), *error.args[1:])
        raise


def with_names(text: str, named: Named) -> str:
    """Return `text` with the ids of known objects, and the kind before each, as their names."""

    def name(found: re.Match[str]) -> str:
        return next((str(one) for kind in _KINDS if (one := named(kind, found[1]))), found[0])

    return _ID.sub(name, text)
