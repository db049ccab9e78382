"""What pods, containers and images have in common as objects."""

from cri_shim.engine import Engine


class Handle:
    """An id, and the engine of a runtime. Everything else is looked up when it is asked for."""

    def __init__(self, on: Engine, id: str) -> None:
        self._engine = on
        self.id = id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self)) and other.id == self.id and other._engine is self._engine
        )

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def _on(self) -> Engine:
        """RuntimeStopped once the runtime is."""
        return self._engine.alive()
