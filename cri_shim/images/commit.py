"""Makes a new image from another one and one more layer, packed from a container's files.

It is made like a pulled image: in a private layout, unpacked, and visible only when it is complete.
The layer is not compressed, so its digest is its diff-id.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.faults import fault_point
from cri_shim.images.arrival import take_in
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.spec import image_changes
from cri_shim.spec.image_changes import Changes
from cri_shim.spec.image_config import MAX_BYTES
from cri_shim.store import manifest
from cri_shim.store.layout import Layout
from cri_shim.untrusted import read_file

Pack = Callable[[Path], Awaitable[tuple[str, int]]]  # makes the tar; returns diff-id and size


@dataclass(frozen=True, slots=True)
class Message:
    """The metadata of the new layer; `changes` are those of spec/image_changes."""

    created_by: str = ""
    author: str = ""
    comment: str = ""
    changes: Changes = ()


async def commit(
    engine: Engine, base: ImageRecord, pack: Pack, message: Message, tags: Sequence[str]
) -> ImageRecord:
    """Make the image visible under `tags`, or by its id only; another image loses these tags."""
    file = engine.images.blobs.path(base.manifest_digest)
    try:
        below = manifest.descriptors_of(read_file(file, MAX_BYTES))
    except FileNotFoundError as e:
        raise NotFound(f"image {base.id}: its manifest is lost; pull the image again") from e
    image_changes.changed({}, message.changes)  # report invalid changes before the work

    async def fill(layout: Layout) -> None:
        fault_point("images.commit.pack")
        tar = layout.path / "layer.tar"
        diff_id, size = await pack(tar)
        tar.replace(layout.blob(diff_id))
        config = image_changes.committed(
            base.config, diff_id=diff_id, now=datetime.now(UTC), created_by=message.created_by,
            author=message.author, comment=message.comment, changes=message.changes,
        )  # fmt: skip
        fault_point("images.commit.compose")
        layout.write(config)
        layout.finish(manifest.compose(config, [*below, manifest.plain_layer(diff_id, size)]))

    what = f"a commit on image {base.id}"
    return await take_in(engine.images, what, fill, tags=tags, digests=[])
