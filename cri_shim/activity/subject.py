"""What log lines and errors call an object: its kind, its name, and a short id."""

from dataclasses import dataclass
from typing import Protocol

from cri_shim.untrusted import one_line

SHORT_ID = 12  # characters of an id, as in crictl's and podman's lists
_LONGEST_NAME = 512  # characters: a request that will be refused may have any name


class _PodMetadata(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """`name` is NAMESPACE/NAME of a pod, NAMESPACE/POD/NAME of a container, or a reference."""

    kind: str
    name: str = ""
    id: str = ""
    pod_id: str = ""  # of a container

    def __str__(self) -> str:
        """Return `pod default/web (4f0c1b2a3d4e)`; parts that are not known are left out."""
        short = f"({self.id[:SHORT_ID]})" if self.id and self.name else self.id[:SHORT_ID]
        return " ".join(filter(None, (self.kind, one_line(self.name, _LONGEST_NAME), short)))

    @property
    def short(self) -> str:
        """Return `pod default/web`; the id only if there is no name."""
        return f"{self.kind} {one_line(self.name, _LONGEST_NAME)}" if self.name else str(self)


def pod(metadata: _PodMetadata, id: str = "") -> Subject:
    """Return the subject of a pod with this CRI metadata."""
    return Subject("pod", f"{metadata.namespace}/{metadata.name}", id, id)


def container(pod: _PodMetadata | None, name: str, id: str = "", pod_id: str = "") -> Subject:
    """Return the subject of a container; `pod` is its pod's CRI metadata, if that is known."""
    whole = name if pod is None else f"{pod.namespace}/{pod.name}/{name}"
    return Subject("container", whole, id, pod_id)
