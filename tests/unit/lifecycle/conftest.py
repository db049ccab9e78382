"""What is promised here is promised over each kind of state store."""

from tests.fixtures.stores import store

__all__ = ["store"]
