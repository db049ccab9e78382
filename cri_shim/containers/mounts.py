"""Where the caller's mounts come from on this host; spec.mounts says what may be done with them."""

from collections.abc import Sequence
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.linux.mounts import propagation_of
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.mounts import ResolvedMount
from cri_shim.spec.mounts import resolve as resolved


def resolve(mounts: Sequence[api.Mount]) -> list[ResolvedMount]:
    """Follow the symlinks of each source; InvalidArgument names the mount and field at fault."""
    return [_resolve(n, mount) for n, mount in enumerate(mounts)]


def _resolve(index: int, mount: api.Mount) -> ResolvedMount:
    field = f"config.mounts[{index}].host_path"
    try:
        source = Path(mount.host_path).resolve(strict=True)
    except FileNotFoundError:
        raise InvalidArgument(field, f"{mount.host_path} does not exist on this node") from None
    except (OSError, RuntimeError) as e:
        raise InvalidArgument(field, f"{mount.host_path}: {e}") from e
    shared = slave = False
    if mount.propagation != api.PROPAGATION_PRIVATE:
        shared, slave = propagation_of(source)
    return resolved(index, mount, str(source), shared=shared, slave=slave)
