"""Adds and removes names of images. Lists show a change at once; it survives a crash."""

from collections.abc import Sequence

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.faults import fault_point
from cri_shim.images.query import find
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.registry.reference import parse


async def tag(engine: Engine, reference: str, name: str) -> str:
    """Give the image one more name and return it in full; another image loses the name.

    A short name belongs to docker.io; a name without a tag gets `latest`. InvalidArgument for a
    name with a digest: a digest identifies an image and cannot be assigned.
    """
    full = tag_of(name)
    image = ImageRecord()
    image.CopyFrom(find(engine, reference))
    image.repo_tags[:] = [full]
    fault_point("images.tag.catalogue")
    await engine.images.catalog.add(image)
    return full


def tag_of(name: str) -> str:
    """Return the name in full; InvalidArgument if it cannot be given to an image."""
    full = parse(name)
    if full.digest:
        raise InvalidArgument("name", f"{name} has a digest, a name that is given has a tag")
    return str(full)


async def untag(engine: Engine, reference: str, names: Sequence[str] = ()) -> None:
    """Remove names from the image, by default all; without a name it has only its id.

    A name may be a tag or a digest. NotFound, with nothing changed, if it does not have the name.
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
