"""Answers as bytes: what a record adds to an answer is serialised once for each of its states.

The elements of a repeated field of a message are encoded one after another, each as its tag, its
length and its bytes (protobuf encoding, "Length-Delimited Records"). So a list is its elements,
joined, and a list of 200 pods needs no message of 200 pods.

A record is never changed: a new state is a new record. So an element is valid for as long as the
record is the same object.
"""

from collections.abc import Callable, Iterable
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
    """A response that is serialised already."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._data = b"".join(parts)

    def SerializeToString(self) -> bytes:
        return self._data


class Elements(Generic[R]):
    """The elements of the field `name` of a response, each made of one record by `make`."""

    def __init__(
        self, kind: str, response: Descriptor, name: str, make: Callable[[R], Message]
    ) -> None:
        self._kind = kind
        self._make: Callable[[R], Message] = make
        self._tag = _varint(response.fields_by_name[name].number << 3 | _LENGTH_DELIMITED)
        self._known: dict[str, tuple[R, bytes]] = {}

    def of(self, record: R) -> bytes:
        """Return the element of a record; its `make` may raise."""
        known = self._known.get(record.id)
        if known is not None and known[0] is record:
            return known[1]
        raw = self._make(record).SerializeToString()
        element = self._tag + _varint(len(raw)) + raw
        if len(element) <= LARGEST:
            self._known[record.id] = record, element
        else:
            self._known.pop(record.id, None)
        return element

    def of_all(self, records: Iterable[R]) -> list[bytes]:
        """Return the elements of these records, without those that are not usable."""
        return [self._known_or_made(record) for record in records]

    def forget_others(self, present: int, exists: Callable[[str], object | None]) -> None:
        """Drop the elements of records that are gone, if they are more than the present ones."""
        if len(self._known) > 2 * present + _SPARE:
            self._known = {id: known for id, known in self._known.items() if exists(id)}

    def _known_or_made(self, record: R) -> bytes:
        known = self._known.get(record.id)
        if known is not None and known[0] is record:
            return known[1]
        return rows.row(self._kind, record.id, self.of, record) or b""


def _varint(number: int) -> bytes:
    """Return a number as protobuf encodes it: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
