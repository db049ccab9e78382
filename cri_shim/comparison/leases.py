"""The addresses that host-local keeps: a file for each, with the id of the pod in it."""

import time
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path

from cri_shim.comparison import ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records
from cri_shim.untrusted import read_file, text

KIND = "address"
FREE = "frees the address"
OF_OTHERS = Path("/var/lib/cni/networks")  # of host-local, for networks that other programs define
WRITTEN_S = 60.0  # host-local makes the file, and then writes the id into it
_LIMIT = 4096  # bytes of a lease: an id and the name of an interface


def find(place: Place, records: Records, of_others: Path = OF_OTHERS) -> Iterator[Difference]:
    own = directory(place)
    for path, id in [*_leases(own), *_leases(of_others)]:
        if not id and _age(path) < WRITTEN_S:
            continue
        if reason := _reason(place, records, id, path.is_relative_to(own)):
            subject = records.subject(id, "pod")
            yield Difference(
                KIND, Sort.LEFTOVER, subject, str(path), reason, FREE, since(path), key=id
            )
    yield from _lost(own, records)


def directory(place: Place) -> Path:
    """Return the directory of the reservations of the bundled network."""
    return place.paths.root / "cni" / "networks"


def held_by(ids: Collection[str], place: Path = OF_OTHERS) -> list[Path]:
    """Return the addresses that host-local keeps for pods with these ids."""
    return [path for path, id in _leases(place) if id in ids]


def holder(lease: Path) -> str:
    """Return the id in the first line; "" if there is none, as after a power cut."""
    try:
        return text(read_file(lease, _LIMIT)).partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""


def _leases(place: Path) -> Iterator[tuple[Path, str]]:
    for lease in sorted(place.glob("*/*")):
        if _is_address(lease.name):
            yield lease, holder(lease)


def _reason(place: Place, records: Records, id: str, own: bool) -> str:
    """Return why a reservation is a leftover; "" if it is none. Others have pods, too."""
    if not ours.ID.fullmatch(id):
        return "an address that is reserved for no pod" if own else ""
    if records.unowned(id) and (own or id in place.evidence):
        return "an address that is reserved for a pod without a record"
    pod = records.pods.get(id)
    if pod is not None and records.ended(id) and not pod.network.attachments:
        return "an address that is reserved for a pod that was detached"
    return ""


def _lost(own: Path, records: Records) -> Iterator[Difference]:
    """Yield the addresses of ready pods that the bundled network may give to another pod."""
    for pod in records.ready():
        for attachment in pod.network.attachments[:1]:
            if str(own).encode() not in attachment.config:
                continue  # its addresses are kept elsewhere
            for ip in pod.network.ips:
                if not (lease := own / attachment.network / ip).exists():
                    text = "the address of a ready pod is not reserved: another pod may get it"
                    yield Difference(KIND, Sort.LOST, records.subject(pod.id), str(lease), text)


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
