"""A place for runtimes that a test opens itself."""

from collections.abc import Iterator

import pytest

from tests.fixtures.library import Place, place


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made
