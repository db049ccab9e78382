"""Makes the images of a control plane from Kubernetes' programs: images PROGRAMS TREE WORK

WORK/names has the image names that kubeadm needs, and WORK/images gets an archive of each. An image
has one static program; kube-proxy also has nft of the Debian system in TREE. The image of the
network provider is added.
"""

import sys
from pathlib import Path

from tests.fixtures.images import Image, Tar, busybox_layer

NETWORK = "localhost/node-network:1"
_HERE = Path(__file__).parent


def main() -> None:
    programs, tree, work = map(Path, sys.argv[1:])
    libraries = (work / "nft-libraries").read_text().split()
    names = (work / "names").read_text().split()
    for name in [*names, NETWORK]:
        kind = name.rpartition("/")[2].partition(":")[0]
        image = _image(kind, programs, tree, libraries)
        if image:
            image.write_docker_archive(work / "images" / f"{kind}.tar", [name])


def _image(kind: str, programs: Path, tree: Path, libraries: list[str]) -> Image | None:
    """Return the image; None for coredns, which is not part of Kubernetes: there is no DNS here."""
    if kind == "coredns":
        return None
    if kind == "node-network":
        script = Tar().file("sync-network", (_HERE / "sync-network").read_bytes(), mode=0o755)
        return _of(busybox_layer(), _programs(programs, "kubectl"), script)
    if kind == "pause":  # cri-shim needs none, but kubeadm checks that it exists
        return _of(busybox_layer())
    if kind == "kube-proxy":
        nft = Tar()
        for path in ("/usr/sbin/nft", *libraries):
            nft.file(path.removeprefix("/"), (tree / path.removeprefix("/")).read_bytes(), 0o755)
        return _of(nft, _programs(programs, "kube-proxy"))
    return _of(_programs(programs, kind))


def _programs(programs: Path, name: str) -> Tar:
    return Tar().file(f"usr/local/bin/{name}", (programs / name).read_bytes(), mode=0o755)


def _of(*layers: Tar) -> Image:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Image(list(layers), config={"Env": [f"PATH={path}"]})


if __name__ == "__main__":
    main()
