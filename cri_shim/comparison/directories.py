"""The directories of pods and containers: each has a record, and each record has its own."""

from collections.abc import Iterator

from cri_shim.comparison import names, ours
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place, since
from cri_shim.comparison.records import Records

KIND = "directory"
REMOVE = "ends and removes everything of this ID, as RemovePodSandbox and RemoveContainer do"
NOT_READY = "sets the pod NOTREADY; the kubelet then removes it and makes a new one"
EXITED = "sets the container EXITED; the kubelet then removes it and makes a new one"


def find(place: Place, records: Records) -> Iterator[Difference]:
    paths = place.paths
    mounted_logs = paths.run_root / "logs"
    for directory in (*paths.containers(), paths.pods(), paths.all_logs(), mounted_logs):
        of_pods = directory in (paths.pods(), paths.all_logs())
        for id in sorted(ours.ids_in(directory)):
            if records.unowned(id) and directory / id not in place.mounted:
                name = names.of_pod if of_pods else names.of_container
                path, text = directory / id, "a directory that no record has"
                yield Difference(
                    KIND, Sort.LEFTOVER, name(place, id), str(path), text, REMOVE, since(path)
                )
    for pod in records.ready():
        if not (path := paths.pod(pod.id)).is_dir():
            text = "the directory of a ready pod is not there"
            yield Difference(KIND, Sort.LOST, records.subject(pod.id), str(path), text, NOT_READY)
    for container in records.made():
        if not (path := paths.bundle(container.id)).is_dir():
            runs = records.subject(container.id), str(path)
            text = "the bundle of a container is not there"
            repair = "" if container.HasField("init") else EXITED
            yield Difference(KIND, Sort.LOST, *runs, text, repair)
