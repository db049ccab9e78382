"""Which images are pinned: neither the kubelet's garbage collection nor a prune removes them.

Nothing of it is recorded: another configuration applies at once to the images that are here. The
patterns have CRI-O's forms: a name, or text with `*` for any characters, such as
`registry.example/base/*` or `*pause*`. A name may be short or an id. A pattern with `*` is compared
with the full names, by tag and by digest.
"""

import re
from collections.abc import Iterable, Sequence

from cri_shim.errors import InvalidArgument
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.registry.reference import candidates

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class Pins:
    def __init__(self, patterns: Iterable[str] = (), search: Sequence[str] = ()) -> None:
        """`search` are the registries of short names. InvalidArgument for what is no image name."""
        self._names: set[str] = set()
        self._ids: set[str] = set()
        self._added: set[str] = set()
        globs: list[str] = []
        for pattern in patterns:
            if "*" in pattern:
                globs.append(".*".join(map(re.escape, re.split(r"\*+", pattern))))
            elif found := _ID.fullmatch(pattern):
                self._ids.add(found[1])
            else:
                self._names |= _full_names(pattern, search)
        self._globs = re.compile("|".join(globs)) if globs else None

    def add(self, ids: Iterable[str]) -> None:
        """Pin these images until the daemon ends."""
        self._added.update(ids)

    def share(self, other: "Pins") -> None:
        """Have the images that were added to `other`, and that will be added to either."""
        self._added = other._added

    def has(self, image: ImageRecord) -> bool:
        """Return whether the image is pinned, by its record, its id or one of its names."""
        if image.pinned or image.id in self._ids or image.id in self._added:
            return True
        if not self._names and self._globs is None:
            return False
        return any(map(self._matches, (*image.repo_tags, *image.repo_digests)))

    def _matches(self, name: str) -> bool:
        return name in self._names or bool(self._globs and self._globs.fullmatch(name))


def _full_names(pattern: str, search: Sequence[str]) -> set[str]:
    try:
        found = candidates(pattern, search)
    except InvalidArgument as e:
        raise InvalidArgument("image.pinned_images", str(e)) from e
    return {str(name.by_digest(name.digest) if name.digest else name) for name in found}
