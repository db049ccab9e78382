"""Answers as bytes: what a record adds to an answer is serialised once for each of its states.

The elements of a field of a message are encoded one after another, each as the field's tag, its
length and its bytes (protobuf encoding, "Length-Delimited Records"). So a list is its elements,
joined, and a list of 200 pods needs no message of 200 pods.

A record is never changed: a new state is a new record. So an element is valid for as long as the
record is the same object.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from cri_shim.pb import state_pb2 as state
from cri_shim.state import rows

R = TypeVar("R", state.PodRecord, state.ContainerRecord)

LARGEST = 16 << 10  # bytes of an element that is kept: tenants choose labels and annotations
_SPARE = 64  # elements of records that are gone, at most, besides as many as there are records
_LENGTH_DELIMITED = 2  # wire type


class Encoded:
    """A response that is serialised already, from tags and the elements of these fields."""

    def __init__(self, *fields: tuple[bytes, Sequence[bytes]]) -> None:
        self._data = b"".join(tag + tag.join(elements) for tag, elements in fields if elements)

    def SerializeToString(self) -> bytes:
        return self._data


def tag(response: Descriptor, name: str) -> bytes:
    """Return the tag of a field whose elements are messages."""
    return _varint(response.fields_by_name[name].number << 3 | _LENGTH_DELIMITED)


class Elements(Generic[R]):
    """The elements that `make` makes, each of one record; several fields may have the same."""

    def __init__(self, kind: str, make: Callable[[R], Message]) -> None:
        self._kind = kind
        self._make: Callable[[R], Message] = make
        self._known: dict[str, tuple[R, bytes]] = {}

    def of(self, record: R) -> bytes:
        """Return the element of a record; its `make` may raise."""
        return self._kept(record) or self._made(record)

    def of_all(self, records: Iterable[R]) -> list[bytes]:
        """Return the elements of these records, without those that are not usable."""
        found = (self._kept(r) or rows.row(self._kind, r.id, self._made, r) for r in records)
        return [element for element in found if element is not None]

    def forget_others(self, present: int, exists: Callable[[str], object | None]) -> None:
        """Drop the elements of records that are gone, if they are more than the present ones."""
        if len(self._known) > 2 * present + _SPARE:
            self._known = {id: known for id, known in self._known.items() if exists(id)}

    def _kept(self, record: R) -> bytes | None:
        known = self._known.get(record.id)
        return known[1] if known is not None and known[0] is record else None

    def _made(self, record: R) -> bytes:
        raw = self._make(record).SerializeToString()
        element = _varint(len(raw)) + raw
        if len(element) <= LARGEST:
            self._known[record.id] = record, element
        else:
            self._known.pop(record.id, None)
        return element


def _varint(number: int) -> bytes:
    """Return a number as protobuf encodes it: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
