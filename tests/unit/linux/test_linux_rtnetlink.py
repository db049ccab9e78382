"""Attributes of rtnetlink messages: there and back, and cut short."""

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.linux import rtnetlink


@given(st.lists(st.tuples(st.integers(0, 100), st.binary(max_size=20)), max_size=5))
def test_attributes_are_read_as_they_were_written(written: list[tuple[int, bytes]]) -> None:
    data = b"".join(rtnetlink._attribute(kind, value) for kind, value in written)

    assert len(data) % 4 == 0
    assert list(rtnetlink._attributes(data)) == written


@given(st.binary(max_size=60))
def test_any_bytes_end_the_reading(data: bytes) -> None:
    assert sum(len(value) for _, value in rtnetlink._attributes(data)) <= len(data)
