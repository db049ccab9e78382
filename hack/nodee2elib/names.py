"""The names of the images that the suite uses, read from its sources."""

import re
from collections.abc import Iterator
from pathlib import Path

_REGISTRY = re.compile(r'^\s+(\w+):\s+"([\w./-]+)",$', re.MULTILINE)
_CONFIG = re.compile(
    r'^\s+configs\[\w+\] = Config\{list\.(\w+), "([^"]+)", "([^"]+)"\}', re.MULTILINE
)
_REFUSED = ("PrivateRegistry", "InvalidRegistry")  # specs expect that a pull from there fails
_LITERAL = re.compile(r"registry\.k8s\.io/e2e-test-images/[\w./-]+:[\w.-]+")
_SOURCES = ("test/e2e_node", "test/e2e/common", "test/e2e/testing-manifests/sample-device-plugin")


def wanted(kubernetes: Path) -> list[str]:
    """Return names with tags, from the source tree of Kubernetes; RuntimeError if none exist."""
    manifest = (kubernetes / "test/utils/image/manifest.go").read_text()
    names = set(of_manifest(manifest))
    if not names:
        raise RuntimeError("test/utils/image/manifest.go names no images: has its form changed?")
    for directory in _SOURCES:
        for file in (kubernetes / directory).rglob("*"):
            if file.suffix in (".go", ".yaml"):
                names.update(_LITERAL.findall(file.read_text()))
    return sorted(names)


def of_manifest(text: str) -> Iterator[str]:
    """Yield the names in test/utils/image/manifest.go."""
    registries = dict(_REGISTRY.findall(text))
    for registry, name, tag in _CONFIG.findall(text):
        if registry not in _REFUSED:
            yield f"{registries[registry]}/{name}:{tag}"
