"""Image names: `busybox`, `host:5000/a/b:tag`, `name@sha256:...`; pure.

A Reference is fully qualified, as in repo_tags and repo_digests. The rules are Docker's: the first
component is a registry if it has a dot, a colon or is `localhost`. Otherwise the name is short and
belongs to the configured search registries, or to docker.io.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cri_shim.errors import InvalidImageName

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
NAME_LIMIT = 255  # characters of registry and path; the limit of all registries

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@dataclass(frozen=True, slots=True)
class Reference:
    """A fully qualified name with a tag, a digest, or both."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return self.repository + tag + digest

    def by_digest(self, digest: str) -> "Reference":
        """Return a reference to the same repository with only this digest."""
        return replace(self, tag="", digest=digest)


def candidates(text: str, search: Sequence[str] = ()) -> list[Reference]:
    """Return the possible meanings of a name, best first; a short name has one for each registry.

    InvalidImageName if it is none.
    """
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"{digest[:100]!r} is not a sha256 digest")
    name, colon, tag = _split_tag(rest)
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag[:200]!r} is not a tag")
    registry, path = _split_registry(name)
    if not _PATH.fullmatch(path) or re.fullmatch("[0-9a-f]{64}", name):
        raise _invalid(text, "names are lower-case words joined by '/', '.', '_' and '-'")
    if registry and not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f"{registry[:300]!r} is not a registry")
    if not tag and not digest:
        tag = DEFAULT_TAG
    found = [
        Reference(host, _in_library(host, path), tag, digest)
        for host in ([registry] if registry else search or [DEFAULT_REGISTRY])
    ]
    if any(len(reference.repository) > NAME_LIMIT for reference in found):
        raise _invalid(text, f"longer than {NAME_LIMIT} characters")
    return found


def parse(text: str) -> Reference:
    """Return the reference of a name; short names belong to docker.io."""
    return candidates(text)[0]


def short_name(text: str) -> str:
    """Return a name without its tag and digest if it names no registry, else ""."""
    name = _split_tag(text.partition("@")[0])[0]
    return "" if _split_registry(name)[0] else name


def id_prefix(text: str) -> str:
    """Return the hex digits of an image id or of its prefix (4 or more); "" if it cannot be one."""
    found = _ID.fullmatch(text)
    return found[1] if found else ""


def _split_tag(text: str) -> tuple[str, str, str]:
    head, colon, tail = text.rpartition(":")
    return (head, colon, tail) if colon and "/" not in tail else (text, "", "")


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return ("docker.io" if first == "index.docker.io" else first), rest
    return "", name


def _in_library(registry: str, path: str) -> str:
    return f"library/{path}" if registry == DEFAULT_REGISTRY and "/" not in path else path


def _invalid(text: str, problem: str) -> InvalidImageName:
    if not text:
        return InvalidImageName("image name is empty")
    return InvalidImageName(f"{text[:300]!r} is not an image name: {problem}")
