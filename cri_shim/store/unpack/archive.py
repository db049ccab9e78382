"""The members of a tar stream, strictly.

tarfile reads every dialect (ustar, GNU, pax, sparse), but ends quietly where a header is broken: a
layer cut short would pass for a smaller one. Here the archive ends at its end or fails.
"""

import tarfile
from collections.abc import Iterator

from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream

HEADER_LIMIT = 1 << 20  # bytes of a pax or long-name header, as GNU tar and Go bound them


class _Tar(tarfile.TarFile):
    def next(self) -> tarfile.TarInfo | None:
        # tarfile remembers each member for random access; a layer can have 100,000.
        assert self.fileobj is not None
        self.fileobj.seek(self.offset)  # type: ignore[attr-defined]
        try:
            return _Member.fromtarfile(self)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            return None
        except BadLayer:
            raise
        except Exception as e:  # tarfile on garbage: TarError, ValueError, RecursionError, ...
            raise BadLayer(f"the archive is damaged at byte {self.offset}: {e}") from e


class _Member(tarfile.TarInfo):
    """A member whose extra headers cannot be large enough to fill our memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        extra = (
            tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
        )  # fmt: skip
        if self.size < 0 or (self.type in extra and self.size > HEADER_LIMIT):
            raise BadLayer(f"a header of {self.size} bytes in the archive")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def members(stream: LayerStream) -> Iterator[tarfile.TarInfo]:
    """Each member in turn; its data is next in `stream`, and may be left unread."""
    tar = _Tar(
        fileobj=stream,  # type: ignore[arg-type]
        mode="r",
        tarinfo=_Member,
        encoding="utf-8",
        errors="surrogateescape",
    )
    member = tar.firstmember  # type: ignore[attr-defined]
    while member is not None:
        if member.size < 0:
            raise BadLayer(f"{member.name}: a size of {member.size} bytes")
        yield member
        member = tar.next()
