"""Containers that need others are started after them."""

import pytest

from cri_shim.containers.dependencies import start_order
from cri_shim.errors import WrongState
from cri_shim.pb import state_pb2 as state


def container(id: str, age: int, *depends_on: str) -> state.ContainerRecord:
    return state.ContainerRecord(id=id, created_at=-age, depends_on=depends_on)


def test_dependencies_come_first_and_then_the_older_container() -> None:
    containers = [
        container("web", 4, "cache", "db"),
        container("cache", 3, "db"),
        container("db", 2),
        container("log", 1),
        container("probe", 0, "gone"),
    ]
    assert [c.id for c in start_order(containers)] == ["db", "log", "probe", "cache", "web"]


def test_a_circle_is_refused_and_named() -> None:
    circle = [container("a", 3, "b"), container("b", 2, "a"), container("c", 1)]
    with pytest.raises(WrongState, match=r"in a circle: a, b$"):
        start_order(circle)
