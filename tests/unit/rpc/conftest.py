"""A call is known to the code below it by variables of the context: none is left to other tests."""

from collections.abc import Iterator

import pytest

from cri_shim.activity import caller
from cri_shim.activity.request import request_id


@pytest.fixture(autouse=True)
def _no_call_is_left() -> Iterator[None]:
    id, call = request_id.set(""), caller._current.set(None)
    yield
    caller._current.reset(call)
    request_id.reset(id)
