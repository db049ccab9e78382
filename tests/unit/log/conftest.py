"""Log events of these tests belong to no request, whatever earlier tests have left."""

import contextvars
from collections.abc import Iterator

import pytest

from cri_shim.activity.request import request_id


@pytest.fixture(autouse=True)
def _no_request() -> Iterator[None]:
    token: contextvars.Token[str] = request_id.set("")
    yield
    request_id.reset(token)
