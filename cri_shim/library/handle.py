"""What pods, containers and images have in common as objects."""

from cri_shim.engine import Engine


class Handle:
    """An id, and the engine of a runtime. Everything else is looked up when it is asked for."""

    def __init__(self, engine: Engine, id: str) -> None:
        self._unchecked = engine
        self.id = id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and other.id == self.id
            and other._unchecked is self._unchecked
        )

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def _engine(self) -> Engine:
        """The engine; raises RuntimeStopped once the runtime has stopped."""
        return self._unchecked.alive()
