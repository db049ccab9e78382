"""The results of CNI's ADD on disk: those of attachments that no record has."""

import re
from collections.abc import Iterator

from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records

KIND = "CNI cache"
DETACH = "runs DEL for it, and removes it"
_NAME = re.compile(r"(.+)-([0-9a-f]{64})-([^-]+)")  # network, pod, interface


def find(place: Place, records: Records) -> Iterator[Difference]:
    directory = place.paths.root / "cni" / "results"
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return
    for name in names:
        if (match := _NAME.fullmatch(name)) is None or name.startswith("."):
            continue
        id, path = match[2], directory / name
        if reason := _reason(records, id, match[1], match[3]):
            subject = records.subject(id, "pod")
            yield Difference(KIND, Sort.LEFTOVER, subject, str(path), reason, DETACH, since(path))


def _reason(records: Records, id: str, network: str, interface: str) -> str:
    if records.unowned(id):
        return "the network attachment of a pod that has no record"
    pod = records.pods.get(id)
    if pod is None or id in records.busy:
        return ""
    attached = {(one.network, one.interface) for one in pod.network.attachments}
    return "" if (network, interface) in attached else "an attachment that its pod does not have"
