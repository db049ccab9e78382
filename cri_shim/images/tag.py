"""Names of images: given to one, and taken from it. Lists show it at once; it outlives a crash."""

from collections.abc import Sequence

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.faults import fault_point
from cri_shim.images.query import find
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.store.reference import parse


async def tag(engine: Engine, reference: str, name: str) -> str:
    """Give the image one more name, which is returned in full; another image loses it.

    A short name belongs to docker.io, one without a tag gets `latest`. InvalidArgument for a name
    with a digest: that is what the image is, and cannot be given.
    """
    full = tag_of(name)
    image = ImageRecord()
    image.CopyFrom(find(engine, reference))
    image.repo_tags[:] = [full]
    fault_point("images.tag.catalogue")
    await engine.images.catalog.add(image)
    return full


def tag_of(name: str) -> str:
    """A name in full; InvalidArgument if it cannot be given to an image."""
    full = parse(name)
    if full.digest:
        raise InvalidArgument("name", f"{name} has a digest, a name that is given has a tag")
    return str(full)


async def untag(engine: Engine, reference: str, names: Sequence[str] = ()) -> None:
    """Take names from the image, all of them where none is given; without one it has its id only.

    A name may be a tag or a digest. NotFound, and nothing changed, for one that it does not have.
    """
    image = find(engine, reference)
    own = {*image.repo_tags, *image.repo_digests}
    gone = {_own_name(image, name, own) for name in names} if names else own
    fault_point("images.untag.catalogue")
    await engine.images.catalog.strip(image.id, gone)


def _own_name(image: ImageRecord, name: str, own: set[str]) -> str:
    full = parse(name)
    text = str(full.by_digest(full.digest) if full.digest else full)
    if text not in own:
        raise NotFound(f"image {image.id[:12]} has no name {text}")
    return text
