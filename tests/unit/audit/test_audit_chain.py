"""The chain of audit lines: a changed line, or one in a wrong place, is found."""

import pytest

from cri_shim.audit.chain import GENESIS, MAX_LINE, Link, follows, opened, sealed


def test_a_line_has_its_number_and_the_hash_of_the_line_before() -> None:
    first, one = sealed({"verb": "a"}, Link())
    second, two = sealed({"verb": "b"}, one)
    facts, place = opened(second.rstrip(b"\n"))
    assert (facts["seq"], facts["prev"], facts["verb"]) == (2, one.hash, "b")
    assert place == two
    assert opened(first.rstrip(b"\n"))[0]["prev"] == GENESIS
    assert follows(facts, one) == ""


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_a_changed_byte_is_found(at: int) -> None:
    line = bytearray(sealed({"verb": "StopContainer", "object": "x" * 40}, Link())[0][:-1])
    line[at % len(line)] ^= 1
    with pytest.raises(ValueError, match="hash"):
        opened(bytes(line))


def test_foreign_text_cannot_end_a_line_or_imitate_a_hash() -> None:
    text = 'x","hash":"' + "0" * 64 + '"}\n{"seq":9'
    line, place = sealed({"object": text}, Link())
    assert line.count(b"\n") == 1
    facts, found = opened(line[:-1])
    assert (facts["object"], found) == (text, place)


def test_a_line_of_another_place_is_told_apart() -> None:
    _, one = sealed({}, Link())
    second, two = sealed({}, one)
    facts, _ = opened(second[:-1])
    assert "lines are missing" in follows(facts, Link())
    assert "that one was replaced" in follows(facts, Link(1, "f" * 64))
    assert "its number is 2, and 3 is due" in follows(facts, two)


@pytest.mark.parametrize("line", [b"", b"{}", b"[" * 3000, b"\xff\xfe", b"x" * (MAX_LINE + 1)])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        opened(line)
