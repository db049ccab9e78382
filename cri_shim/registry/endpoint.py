"""A server that may have an image, with all that is configured for it; pure."""

from dataclasses import dataclass, field, replace
from typing import Literal

Scheme = Literal["https", "http", "either"]  # either: https, and http where nothing speaks TLS
API = "/v2"
_HOSTS = {"docker.io": "registry-1.docker.io"}  # registries whose server has another name


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS settings of a server. The authorities are added to those of the system."""

    authorities: tuple[str, ...] = ()  # files
    pairs: tuple[tuple[str, str], ...] = ()  # files of certificate and key; the key may be ""
    verify: bool = True

    def without_pairs(self) -> "Tls":
        return replace(self, pairs=())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place to ask for one repository. `registry` is its configured name, as in auth files."""

    registry: str  # host, or host:port
    path: str  # of the repository
    scheme: Scheme = "https"
    server: str = ""  # host, or host:port, of the URL
    root: str = API  # path of the API
    socket: str = ""  # path of a unix socket instead of a network address
    tls: Tls = Tls()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    namespace: str = ""  # the registry whose content a proxy is asked for
    primary: bool = True  # the registry itself, not a mirror
    resolves: bool = True  # may be asked what a tag names
    pulls: bool = True  # may be asked for content

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.path}"

    @property
    def host(self) -> str:
        """Return the name of the server for people."""
        return f"unix:{self.socket}" if self.socket else self.registry

    @property
    def authority(self) -> str:
        return self.server or _HOSTS.get(self.registry, self.registry)

    @property
    def insecure(self) -> bool:
        return self.scheme != "https"

    def url(self, scheme: str, what: str) -> str:
        """Return the URL of `manifests/...` or `blobs/...` of the repository."""
        query = f"?ns={self.namespace}" if self.namespace else ""
        return f"{scheme}://{self.authority}{self.root}/{self.path}/{what}{query}"

    def api(self, scheme: str) -> str:
        """Return the URL of the API itself."""
        return f"{scheme}://{self.authority}{self.root}/"
