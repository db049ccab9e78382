"""The settings of pulls that a reload of the configuration replaces: a pull sees one version."""

from dataclasses import dataclass

from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.pins import Pins
from cri_shim.store.trust.policies import Policies


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """`search` are the registries of short names, `transport` is skopeo's prefix of a name."""

    skopeo: Skopeo
    fetcher: Fetcher
    search: tuple[str, ...]
    pins: Pins
    policies: Policies
    transport: str = "docker://"
