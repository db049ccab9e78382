"""Reads layers as one tree without mounting them, by the rules of overlayfs.

A character device 0:0 hides a name of the layers below. An opaque directory, and anything that is
not a directory, hides all entries of the layers below.

A container may write to the topmost layer meanwhile: every entry is read by descriptor, beneath its
layer. The names of a directory are kept in memory, its entries are not. Blocking.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from cri_shim.linux import beneath, walk
from cri_shim.linux.syscalls import NOBODY
from cri_shim.spec.userns import IdMap
from cri_shim.store.trees import overlay


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's directory; `ids` is the mapping of its owners."""

    path: str
    ids: IdMap | None = None
    top: int = field(default=-1, compare=False)  # a descriptor, while it is open


@dataclass(frozen=True, slots=True)
class Part:
    """One layer's part of an entry."""

    layer: Layer
    path: str  # below the layer's directory; "" is the directory itself

    @contextmanager
    def held(self) -> Iterator[int]:
        """Yield a handle of it. OSError, one of `beneath.ANOTHER_THING` if it is gone."""
        handle = beneath.handle(self.layer.top, self.path)
        try:
            yield handle
        finally:
            os.close(handle)

    def xattrs(self) -> Mapping[str, bytes]:
        """Return the extended attributes except those of overlayfs and of this machine."""
        try:
            with self.held() as handle:
                return dict(_xattrs(beneath.named(handle)))
        except OSError as e:
            if e.errno in beneath.ANOTHER_THING:
                return {}
            raise


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of the merged tree; `status` is the topmost part's, only directories have more."""

    parts: tuple[Part, ...]
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    def owner(self) -> tuple[int, int]:
        """Return user and group, as the image has them."""
        return owner(self.status.st_uid, self.status.st_gid, self.parts[0].layer.ids)

    def xattrs(self) -> Mapping[str, bytes]:
        """Return the extended attributes of the topmost part."""
        return self.parts[0].xattrs()


def owner(uid: int, gid: int, ids: IdMap | None) -> tuple[int, int]:
    """Return the user and group that the node's ids are in the user namespace, if there is one."""
    if ids is None:
        return uid, gid
    user, group = ids.users.inside(uid), ids.groups.inside(gid)
    return NOBODY if user is None else user, NOBODY if group is None else group


@contextmanager
def opened(*stacks: Sequence[Layer]) -> Iterator[list[Node | None]]:
    """Yield the trees of these stacks of layers, each topmost first, while they are open.

    A stack without layers yields None. FileNotFoundError if a layer does not exist.
    """
    with ExitStack() as closing:
        tops: dict[Layer, Layer] = {}
        for layer in (layer for stack in stacks for layer in stack):
            if layer not in tops:
                top = beneath.top(layer.path)
                closing.callback(os.close, top)
                tops[layer] = Layer(layer.path, layer.ids, top)
        yield [_root([tops[layer] for layer in stack]) for stack in stacks]


def _root(layers: Sequence[Layer]) -> Node | None:
    parts: list[Part] = []
    for layer in layers:
        parts.append(Part(layer, ""))
        if overlay.is_opaque(beneath.named(layer.top)):
            break
    return Node(tuple(parts), os.fstat(parts[0].layer.top)) if parts else None


def names(node: Node) -> dict[str, tuple[int, ...]]:
    """Return the names in a directory, also hidden ones, with the numbers of their parts."""
    found: dict[str, tuple[int, ...]] = {}
    if not node.is_directory:
        return found
    alone: dict[tuple[int, ...], tuple[int, ...]] = {}  # one object for each set of parts
    for number, part in enumerate(node.parts):
        try:
            directory = beneath.directory(part.layer.top, part.path)
        except OSError as e:
            if e.errno in beneath.ANOTHER_THING:
                continue
            raise
        try:
            for name, _ in walk.names(directory):
                key = os.fsdecode(name)
                having = (*found.get(key, ()), number)
                found[key] = alone.setdefault(having, having)
        finally:
            os.close(directory)
    return found


def child(node: Node, name: str, having: Sequence[int]) -> Node | None:
    """Return the entry of a directory that `names` found; None if it is hidden, or gone by now."""
    parts: list[Part] = []
    seen: os.stat_result | None = None
    for part in (node.parts[number] for number in having):
        below = Part(part.layer, f"{part.path}/{name}" if part.path else name)
        looked = _look(below)
        if looked is None:
            continue
        status, is_last = looked
        if overlay.is_whiteout(status):
            break
        is_directory = stat.S_ISDIR(status.st_mode)
        if seen is None:
            seen = status
            parts.append(below)
        elif is_directory:
            parts.append(below)
        if is_last or not is_directory:
            break
    return Node(tuple(parts), seen) if seen is not None else None


def _look(part: Part) -> tuple[os.stat_result, bool] | None:
    """Return its status, and whether it is a directory that hides entries of lower layers."""
    try:
        with part.held() as handle:
            status = os.fstat(handle)
            opaque = stat.S_ISDIR(status.st_mode) and overlay.is_opaque(beneath.named(handle))
            return status, opaque
    except OSError as e:
        if e.errno in beneath.ANOTHER_THING:
            return None
        raise


def _xattrs(path: str) -> Iterator[tuple[str, bytes]]:
    try:
        found = os.listxattr(path)
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.ENOENT):
            raise
        return
    for name in sorted(found):
        if not name.startswith((*overlay.PRIVATE, overlay.LABEL)):
            yield name, overlay.attribute(path, name)
