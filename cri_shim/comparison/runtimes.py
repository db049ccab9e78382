"""The containers that the OCI runtimes list: each handler has a directory for each of them."""

from collections.abc import Iterator

from cri_shim.comparison import names, ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.directories import REMOVE
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records

KIND = "OCI runtime"
DELETE = "deletes it in the OCI runtime"


def find(place: Place, records: Records) -> Iterator[Difference]:
    listed: set[str] = set()
    for handler in _handlers(place):
        directory = place.paths.run_root / "oci" / handler
        for id in sorted(ours.ids_in(directory)):
            listed.add(id)
            path = directory / id
            if records.unowned(id):
                subject = names.of_container(place, id)
                text = f"{handler} lists a container that has no record"
                yield Difference(
                    KIND, Sort.LEFTOVER, subject, str(path), text, REMOVE, since(path), handler
                )
            elif records.ended(id):
                subject, text = records.subject(id), f"{handler} lists a container that has ended"
                yield Difference(
                    KIND, Sort.LEFTOVER, subject, str(path), text, DELETE, since(path), handler
                )
    for container in records.running():
        if container.id not in listed:
            text = f"{container.handler} does not list a running container: exec and update fail"
            path = place.paths.run_root / "oci" / container.handler / container.id
            subject = records.subject(container.id)
            yield Difference(KIND, Sort.LOST, subject, str(path), text)


def _handlers(place: Place) -> list[str]:
    try:
        return sorted(entry.name for entry in (place.paths.run_root / "oci").iterdir())
    except OSError:
        return []
