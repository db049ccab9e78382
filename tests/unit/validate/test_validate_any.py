"""The check passes any request or refuses it with the path of a field."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import InvalidArgument
from cri_shim.rpc.log_subject import describe
from cri_shim.validate.requests import COVERED, Validator

TEXTS = st.one_of(
    st.sampled_from(["", "a", "/a", "../a", "0-3", "2MB", "10.0.0.1", "net.ipv4.x", "rwm", "a\0"]),
    st.text(max_size=8).filter(lambda t: t.isprintable() or "\n" in t),
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 5),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-2, 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-2, 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of one field for the constructor of a message."""
    message = field.message_type
    if message is None:
        is_bytes = field.type == FieldDescriptor.TYPE_BYTES
        one = st.binary(max_size=4) if is_bytes else SCALARS[field.cpp_type]
    elif message.GetOptions().map_entry:
        return st.dictionaries(TEXTS, TEXTS, max_size=2)
    else:
        one = st.deferred(lambda: messages(message))
    return st.lists(one, max_size=2) if field.is_repeated else one


def messages(descriptor: Any) -> st.SearchStrategy[Any]:
    """Messages of one type, with any of their fields set."""
    fields = {f.name: values(f) for f in descriptor.fields}
    content = st.fixed_dictionaries({}, optional=fields)
    return content.map(lambda given_: GetMessageClass(descriptor)(**given_))


REQUESTS = sorted(COVERED, key=lambda r: r.DESCRIPTOR.full_name)
ANY = st.sampled_from(REQUESTS).flatmap(lambda r: messages(r.DESCRIPTOR))


def refusal(request: Any) -> str:
    try:
        Validator()(request)
    except InvalidArgument as refused:
        return refused.field
    return "passed"


@given(ANY)
def test_a_request_passes_or_is_refused_by_a_path(request: Any) -> None:
    assert refusal(request) != ""


@given(ANY)
def test_the_log_subject_of_any_request_is_one_line(request: Any) -> None:
    assert describe(request).isprintable()
