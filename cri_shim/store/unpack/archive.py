"""The members of a tar stream: ustar, GNU and pax, with long names and sparse files.

An archive that is cut short or damaged is an error: an incomplete layer must not be accepted.
"""

from collections.abc import Iterator

from cri_shim.store.unpack import header
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.header import BLOCK, Member
from cri_shim.store.unpack.stream import LayerStream

EXTRA_LIMIT = 1 << 20  # bytes of a pax header or a long name; the limit of GNU tar and Go
_SPARSE_LIMIT = 1 << 20  # extents of one sparse file
_XATTR = "SCHILY.xattr."


def members(stream: LayerStream) -> Iterator[Member]:
    """Yield each member; its data is next in `stream`, and the caller may leave it unread."""
    shared: dict[str, bytes] = {}  # pax records for all following members
    own: dict[str, bytes] = {}  # pax records and long names for the next member
    while (block := _block(stream)) is not None:
        member = header.parse(block)
        if member.type in (header.PAX, header.PAX_GLOBAL):
            records = _records(_extra(stream, member))
            (own if member.type == header.PAX else shared).update(records)
        elif member.type == header.LONG_NAME:
            own["path"] = _extra(stream, member).split(b"\0", 1)[0]
        elif member.type == header.LONG_LINK:
            own["linkpath"] = _extra(stream, member).split(b"\0", 1)[0]
        else:
            if shared or own or member.type == header.SPARSE:
                try:
                    _complete(member, shared | own, block, stream)
                except ValueError as e:
                    raise BadLayer(f"{member.name!r}: a header that cannot be read: {e}") from e
                own = {}
            end = stream.tell() + member.stored
            yield member
            stream.seek(end + -member.stored % BLOCK)


def _block(stream: LayerStream) -> bytes | None:
    """Return the next header block, or None at the end of the archive."""
    block = stream.read(BLOCK)
    if not block:
        return None
    if len(block) < BLOCK:
        raise BadLayer("the archive ends in the middle of a header")
    if block[0] or block.strip(b"\0"):
        return block
    if stream.read(BLOCK).strip(b"\0"):
        raise BadLayer("the archive continues after its end")
    return None


def _extra(stream: LayerStream, member: Member) -> bytes:
    if member.stored > EXTRA_LIMIT:
        raise BadLayer(f"a header of {member.stored} bytes")
    data = stream.read(member.stored + -member.stored % BLOCK)
    if len(data) < member.stored:
        raise BadLayer("the archive ends in the middle of a header")
    return data[: member.stored]


def _records(data: bytes) -> dict[str, bytes]:
    records: dict[str, bytes] = {}
    for key, value in header.pax_records(data):
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            # The oldest form repeats these two; the next one has the same as a list.
            old = records.get("GNU.sparse.map")
            records["GNU.sparse.map"] = value if old is None else old + b"," + value
        else:
            records[key] = value
    return records


def _complete(member: Member, records: dict[str, bytes], block: bytes, stream: LayerStream) -> None:
    """Apply `records`, which override the header, and read the map of a sparse file."""
    for key, value in records.items():
        if key.startswith(_XATTR):
            member.xattrs[key.removeprefix(_XATTR)] = value
        elif not value:
            continue
        elif key in ("path", "GNU.sparse.name"):
            member.name = value.decode("utf-8", "surrogateescape")
        elif key == "linkpath":
            member.linkname = value.decode("utf-8", "surrogateescape")
        elif key == "uid":
            member.uid = int(value)
        elif key == "gid":
            member.gid = int(value)
        elif key == "mtime":
            member.mtime = header.pax_time(value)
        elif key == "size" and member.type in (header.REGULAR, header.SPARSE):
            member.stored = member.size = int(value)
    header.check(member)
    if member.type == header.SPARSE:
        _old_sparse(member, block, stream)
    elif member.type == header.REGULAR and "GNU.sparse.map" in records:
        member.sparse = _pairs([int(number) for number in records["GNU.sparse.map"].split(b",")])
        member.size = int(records.get("GNU.sparse.size", b"0"))
    elif member.type == header.REGULAR and records.get("GNU.sparse.major") == b"1":
        _sparse_in_data(member, stream)
        member.size = int(records.get("GNU.sparse.realsize", b"0"))
    header.check(member)


def _old_sparse(member: Member, block: bytes, stream: LayerStream) -> None:
    member.type = header.REGULAR
    member.sparse, more, member.size = header.old_sparse(block)
    while more:
        block = stream.read(BLOCK)
        if len(block) < BLOCK or len(member.sparse) > _SPARSE_LIMIT:
            raise BadLayer(f"{member.name!r}: a sparse map without end")
        member.sparse += header.extents(block[:504])
        more = bool(block[504])


def _sparse_in_data(member: Member, stream: LayerStream) -> None:
    """Read the sparse map at the start of the data: lines of decimal numbers, padded to a block.

    The count comes first, then pairs.
    """
    numbers: list[int] = []
    rest, wanted = b"", 1
    while len(numbers) < wanted:
        block = stream.read(BLOCK)
        member.stored -= BLOCK
        if len(block) < BLOCK or member.stored < 0:
            raise BadLayer(f"{member.name!r}: a sparse map without end")
        *lines, rest = (rest + block).split(b"\n")
        numbers += [int(line) for line in lines[: wanted - len(numbers)]]
        if wanted == 1 and numbers:
            wanted = 1 + 2 * numbers[0]
            numbers += [int(line) for line in lines[1:wanted]]
        if not 0 < wanted <= 1 + 2 * _SPARSE_LIMIT or len(rest) > BLOCK:
            raise BadLayer(f"{member.name!r}: a sparse map without end")
    member.sparse = _pairs(numbers[1:])


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))
