"""Messages of conmon and OCI runtimes, and the records of an earlier daemon."""

import json

from cri_shim.errors import StateError, ToolFailed
from cri_shim.oci import messages, sync_pipe
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state import records
from cri_shim.state.memory import MemoryStore
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.images import CONFIG
from tests.hostile.fuzz.target import Target, pure

_ID = "a" * 64
_SAID = (
    b'{"pid": 123}\n',
    b'{"pid": -1, "message": "container_linux.go:345: starting container process caused"}\n',
    b'{"level":"error","msg":"exec failed: exec: \\"x\\": executable file not found in $PATH"}\n',
    b'time="2024-01-01T00:00:00Z" level=error msg="it \\"failed\\"\\nbadly"\n',
    b"crun: executable file `x` not found: No such file or directory\n",
)


def _sync(data: bytes) -> object:
    found = sync_pipe.decode(data.decode(errors="replace"))
    assert found is None or isinstance(found, dict)
    return found and sorted(found)[:5]


def _words(data: bytes) -> None:
    said = data.decode(errors="replace")
    messages.is_missing(said)
    raise messages.failure("cannot create container x", said)


def _records() -> list[bytes]:
    config = api.ContainerConfig(command=["x"], labels={"a": "b"})
    config.metadata.name = "main"
    made = (
        state.PodRecord(id=_ID, version=1, config=api.PodSandboxConfig(hostname="h")),
        state.ContainerRecord(id=_ID, version=2, config=config, pod_id=_ID, layers=["sha256:x"]),
        state.ContainerRecord(id=_ID, version=1, config=config),
        state.ImageRecord(id=_ID, version=1, config=json.dumps(CONFIG).encode()),
        state.LayerRecord(diff_id=_ID, version=2),
    )
    return [record.SerializeToString() for record in made]


_KINDS = {
    "pod": state.PodRecord,
    "container": state.ContainerRecord,
    "image": state.ImageRecord,
    "layer": state.LayerRecord,
}


def _record(data: bytes) -> list[str]:
    """One bad record affects neither the other records nor the start."""
    readable = []
    refused: StateError | None = None
    for kind, type_ in _KINDS.items():
        store = MemoryStore()
        store.put(kind, _ID, data)
        try:
            for record in records.load(store, kind, type_):
                record.SerializeToString()
                readable.append(kind)
        except StateError as e:
            refused = e
    if refused is not None:
        raise refused
    return readable


TARGETS = (
    Target("message of conmon", lambda: _SAID, pure(_sync), mutate=mutation.of_json),
    Target("words of a runtime", lambda: _SAID, pure(_words), (ToolFailed,)),
    Target("record", _records, pure(_record), (StateError,)),
)
