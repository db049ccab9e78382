"""What the caller's mounts are on this host: sources resolved, propagation possible or refused."""

from collections.abc import Sequence
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.linux.mounts import propagation_of
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.mounts import ResolvedMount


def resolve(mounts: Sequence[api.Mount]) -> list[ResolvedMount]:
    """Follow symlinks of each source and check it; InvalidArgument names the mount and field."""
    return [_resolve(f"config.mounts[{n}]", mount) for n, mount in enumerate(mounts)]


def _resolve(field: str, mount: api.Mount) -> ResolvedMount:
    try:
        source = Path(mount.host_path).resolve(strict=True)
    except FileNotFoundError:
        raise InvalidArgument(
            f"{field}.host_path", f"{mount.host_path} does not exist on this node"
        ) from None
    except (OSError, RuntimeError) as e:
        raise InvalidArgument(f"{field}.host_path", f"{mount.host_path}: {e}") from e
    _check_propagation(field, mount, source)
    return ResolvedMount(
        source=str(source),
        destination=mount.container_path,
        readonly=mount.readonly,
        propagation=mount.propagation,
    )


def _check_propagation(field: str, mount: api.Mount, source: Path) -> None:
    if mount.propagation == api.PROPAGATION_PRIVATE:
        return
    shared, slave = propagation_of(source)
    if mount.propagation == api.PROPAGATION_BIDIRECTIONAL and not shared:
        raise InvalidArgument(
            f"{field}.propagation",
            f"{source} is not on a shared mount, as BIDIRECTIONAL needs"
            " (mount --make-rshared on its mount point)",
        )
    if mount.propagation == api.PROPAGATION_HOST_TO_CONTAINER and not (shared or slave):
        raise InvalidArgument(
            f"{field}.propagation",
            f"{source} is on neither a shared nor a slave mount, as HOST_TO_CONTAINER needs"
            " (mount --make-rshared on its mount point)",
        )
