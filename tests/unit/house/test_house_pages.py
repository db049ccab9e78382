"""The pages of docs/ that are made from the source are current."""

import pytest

from hack.docslib.pages import DIRECTORY, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_made_from_the_source_is_current(name: str) -> None:
    assert (DIRECTORY / name).read_text() == PAGES[name](), "run hack/docs"
