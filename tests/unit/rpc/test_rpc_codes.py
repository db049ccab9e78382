"""The table of errors and codes, and the text that goes with them."""

from urllib.parse import quote

from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from cri_shim import errors
from cri_shim.rpc.codes import MAX_TEXT_ON_THE_WIRE, code_of, error_of, wire_text


def test_every_kind_of_error_has_a_code_and_none_is_internal() -> None:
    codes = {code_of(kind.__new__(kind)) for kind in _all_kinds(errors.CriShimError)}
    assert StatusCode.INTERNAL not in codes
    assert StatusCode.OK not in codes


def test_a_foreign_error_is_internal() -> None:
    assert code_of(ValueError("x")) is StatusCode.INTERNAL


def test_the_kinds_the_kubelet_knows_by_prefix_keep_it_at_the_start() -> None:
    error = errors.SignatureValidationFailed("policy says no")
    assert code_of(error) is StatusCode.UNKNOWN
    assert wire_text(str(error)).startswith("SignatureValidationFailed: ")


def test_a_code_without_a_kind_is_the_base_class_with_the_text() -> None:
    error = error_of(StatusCode.DATA_LOSS, "gone")
    assert (type(error), str(error)) == (errors.CriShimError, "gone")


def test_an_invalid_argument_keeps_the_field_path_in_its_text() -> None:
    sent = errors.InvalidArgument("config.hostname", "is too long")
    assert str(error_of(code_of(sent), str(sent))) == "config.hostname: is too long"


def test_short_texts_are_unchanged() -> None:
    assert wire_text("crun: open `/é`: No such file") == "crun: open `/é`: No such file"


PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # what gRPC sends unescaped


@given(st.text())
def test_any_text_of_a_tool_becomes_one_printable_line_that_fits_a_header(said: str) -> None:
    for text in (said, said * 5000):
        on_the_wire = wire_text(text)
        assert on_the_wire.isprintable()
        assert len(quote(on_the_wire, safe=PLAIN)) <= 8 << 10


def test_long_texts_lose_their_middle_measured_after_escaping() -> None:
    cut = wire_text("a" + "é" * 9000 + "z")
    escaped = sum(3 * len(c.encode()) for c in cut)
    assert (cut[0], cut[-1], "[...]" in cut) == ("a", "z", True)
    assert escaped <= MAX_TEXT_ON_THE_WIRE + 100


def _all_kinds(kind: type[errors.CriShimError]) -> set[type[errors.CriShimError]]:
    return {kind}.union(*(_all_kinds(below) for below in kind.__subclasses__()))
