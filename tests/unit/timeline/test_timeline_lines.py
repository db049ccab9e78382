"""A line of a file: the entry comes back; what is torn, foreign or too long costs only itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.timeline import Entry, Stage
from cri_shim.timeline.lines import MOST, decode, encode
from tests.unit.timeline.made import entry

ENTRY = entry(
    "CreateContainer",
    1000.25,
    2.5,
    Stage("document", "hooks and mounts of the OCI document", -1, 0.5, 2.0),
    Stage("hook slöw", "precreate hook x.json, /x", 0, 0.5, 2.0, failed=True),
    kind="container",
    name="default/web/main",
    failure="it failed",
)


def test_an_entry_comes_back() -> None:
    assert decode(encode(ENTRY)) == ENTRY


def test_every_beginning_of_a_line_is_no_entry() -> None:
    line = encode(ENTRY)
    assert [decode(line[:n]) for n in range(len(line))] == [None] * len(line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"took":2500000', b'"took":1.5'),
        (b'"took":2500000', b'"took":99999999999999999999999'),
        (b'"verb":"CreateContainer"', b'"verb":7'),
        (b"[0,", b"[5,"),
        (b"[0,", b"[1,"),
        (b"[-1,", b'["x",'),
        (b'"notKept":0,', b""),
    ],
)
def test_a_foreign_value_makes_it_no_entry(old: bytes, new: bytes) -> None:
    line = encode(ENTRY)
    assert old in line
    assert decode(line.replace(old, new)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_none(data: bytes) -> None:
    assert decode(data) is None or isinstance(decode(data), Entry)


@given(st.text(max_size=300))
def test_any_name_makes_one_line(name: str) -> None:
    line = encode(entry(name=name, failure=name))
    assert b"\n" not in line
    assert decode(line) is not None


def test_a_long_line_loses_its_last_stages_and_says_how_many() -> None:
    stages = [Stage(f"step {n}", "ü" * 240, -1, 0.0, 1.0) for n in range(100)]
    line = encode(entry("RunPodSandbox", 0.0, 1.0, *stages))
    assert len(line) <= MOST
    found = decode(line)
    assert found is not None
    assert found.stages[0].name == "step 0"
    assert len(found.stages) + found.not_kept == 100
