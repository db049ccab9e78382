"""A state store in memory that ends with its process: for tests and temporary runtimes."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from cri_shim.errors import RuntimeStopped
from cri_shim.state.store import Write


class MemoryStore:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] | None = {}

    @property
    def _values(self) -> dict[tuple[str, str], bytes]:
        if self._kept is None:
            raise RuntimeStopped("the state in memory is gone: its runtime was shut down")
        return self._kept

    def get(self, kind: str, id: str) -> bytes | None:
        return self._values.get((kind, id))

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        found = [(key[1], value) for key, value in self._values.items() if key[0] == kind]
        return iter(sorted(found))

    def put(self, kind: str, id: str, value: bytes) -> None:
        self.write([(kind, id, value)])

    def delete(self, kind: str, id: str) -> None:
        self.write([(kind, id, None)])

    def write(self, batch: Sequence[Write]) -> None:
        values = self._values
        for kind, id, value in batch:
            if value is None:
                values.pop((kind, id), None)
            else:
                values[kind, id] = value

    async def sync(self) -> None:
        return None

    def keep(self, everything: Callable[[], Iterable[Write]]) -> None:
        """Do nothing: memory cannot lose single records."""

    def close(self) -> None:
        self._kept = None
