"""These tests run with each kind of state store."""

from tests.fixtures.stores import store

__all__ = ["store"]
