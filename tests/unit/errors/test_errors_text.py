"""The text of an error is one printable line of bounded length, with any foreign text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim import errors
from cri_shim.oci.messages import failure
from cri_shim.untrusted import MAX_LINE

ANY = st.text(st.characters())  # lone surrogates too


@given(ANY)
def test_every_text_becomes_one_printable_line(said: str) -> None:
    for text in (said, said * 5000):
        shown = str(errors.ToolFailed(f"skopeo: {text}"))
        assert shown.isprintable()
        assert len(shown) <= MAX_LINE
        assert str(errors.ToolFailed(shown)) == shown


@given(ANY)
def test_a_field_and_its_problem_have_the_same_bounds(said: str) -> None:
    shown = str(errors.InvalidArgument(f"config.labels[{said * 5000}]", f"{said!r} is wrong"))
    assert shown.isprintable()
    assert len(shown) <= MAX_LINE


def test_lines_stay_separate_and_the_beginning_and_the_end_are_kept() -> None:
    assert str(errors.ToolFailed("step one\n\n  cause\r\n")) == "step one | cause"
    long = str(errors.ToolFailed("begin " + "x" * (10 << 20) + " end"))
    assert (long[:6], long[-4:]) == ("begin ", " end")
    assert " [...] " in long


@pytest.mark.parametrize(
    "said",
    [
        "\x1b]0;owned\x07 error",
        '{"msg": "a\x1b[31m\\nb", "level": "error"}',
        'time="x" level=error msg="a\x1b[31m b"',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_the_text_of_an_oci_runtime_is_shown_without_escapes(said: str) -> None:
    shown = str(failure("cannot create container x", said))
    assert shown.startswith("cannot create container x: ")
    assert shown.isprintable()
