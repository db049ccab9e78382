"""Differences that are none: of objects that changed while the node was looked at.

A look takes a moment, in a thread. An object that is made meanwhile has things that the records
before the look do not have; one that is removed has records whose things are gone. So what the
records said before and after, and every object that changed between, decide together.
"""

from collections.abc import Collection, Iterable, Iterator

from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.records import Records


def steady(
    differences: Iterable[Difference], before: Records, after: Records, changed: Collection[str]
) -> Iterator[Difference]:
    """Yield the differences of objects that did not change. `changed`: ids that followers met."""
    for difference in differences:
        id = difference.id
        if id in changed or id in before.busy or id in after.busy:
            continue
        if before.record(id) is not after.record(id):
            continue
        if not _explained(difference, after):
            yield difference


def _explained(difference: Difference, after: Records) -> bool:
    """Whether the store's records after the look explain a difference of a layer or blob."""
    store, key = after.store, difference.key
    if store is None or difference.kind not in ("layer", "blob"):
        return False
    if difference.kind == "layer":
        recorded = key in store.layers or key in store.held
    else:
        recorded = key in store.blobs
    return recorded == (difference.sort is Sort.LEFTOVER)


def common(first: Iterable[Difference], second: Iterable[Difference]) -> list[Difference]:
    """Return the differences of the second look that the first one had found, too."""
    known = {difference.identity for difference in first}
    return [difference for difference in second if difference.identity in known]
