"""Where the things of one instance are on the node, and what several looks need of it."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cri_shim.comparison import ours
from cri_shim.config import Config
from cri_shim.engine import Paths
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.linux import mounts
from cri_shim.linux.mounts import Mount


@dataclass(frozen=True, slots=True)
class Place:
    """`mounted`: the mounts of this mount namespace by their targets, as of one moment.

    `paths` have no symbolic links, as the targets. `evidence`: see `ours.evidence`.
    """

    config: Config
    paths: Paths
    cgroups: ControlGroups
    mounted: Mapping[Path, Mount]
    evidence: Collection[str]

    def is_pinned(self, path: Path) -> bool:
        """Whether a namespace is pinned to `path`."""
        mount = self.mounted.get(path)
        return mount is not None and mount.fstype == "nsfs"


def read(config: Config, paths: Paths, cgroups: ControlGroups) -> Place:
    """Look at the mount table and the names in the directories. Blocks."""
    mounted = {mount.target: mount for mount in mounts.mountinfo()}
    real = (os.path.realpath(path) for path in (paths.root, paths.run_root, paths.netns_dir))
    return Place(config, Paths(*map(Path, real)), cgroups, mounted, ours.evidence(config))


def since(path: Path) -> float:
    """Return when `path` was last changed, in seconds since the epoch; 0 if that is not known.

    Not for a path on a mount of a caller: it might never answer.
    """
    try:
        return path.lstat().st_ctime
    except OSError:
        return 0.0
