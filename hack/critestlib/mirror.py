"""The registry on 127.0.0.1 that replaces the public ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.critestlib.images import STAGING
from tests.fixtures.images import Image, Registry

# The requested prefix -> its place below the mirror.
_PREFIXES = {
    "registry.k8s.io": "",
    "k8s.gcr.io": "",
    f"gcr.io/{STAGING}": f"/{STAGING}",
}


@dataclass(frozen=True, slots=True)
class Mirror:
    registries_conf: Path
    digest: str  # sha256:... of the image that the suite requests by digest


@contextmanager
def serving(images: Mapping[str, Image], directory: Path) -> Iterator[Mirror]:
    """Serve the images until the end of the block."""
    with Registry(directory / "registry") as registry:
        pushed: dict[str, list[str]] = {}
        for name, image in images.items():
            pushed.setdefault(image.digest, []).append(name)
        for names in pushed.values():
            registry.push(images[names[0]], *names)
        conf = directory / "registries.conf"
        conf.write_text(registries_conf(registry.host))
        yield Mirror(conf, images[f"{STAGING}/test-image-digest:latest"].digest)


def registries_conf(host: str) -> str:
    """Return a containers-registries.conf(5) that maps the public names to `host`."""
    return "\n".join(
        f'[[registry]]\nprefix = "{prefix}"\nlocation = "{host}{below}"\ninsecure = true\n'
        for prefix, below in _PREFIXES.items()
    )
