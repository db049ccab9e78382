"""Credentials for a registry."""

from dataclasses import dataclass, field

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api


@dataclass(frozen=True, slots=True)
class Auth:
    """User and password, an identity token, or a registry token.

    `server` is the registry that they are for; without it, they are for the registry of the image's
    name. `repr` shows no secret. Without an Auth, a pull uses the credentials of the node.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server: str = ""

    def __post_init__(self) -> None:
        for name in ("username", "password", "identity_token", "registry_token", "server"):
            if not isinstance(getattr(self, name), str):  # the value may be a secret
                raise InvalidArgument(name, "is not a text")

    def to_cri(self) -> api.AuthConfig:
        return api.AuthConfig(
            username=self.username,
            password=self.password,
            identity_token=self.identity_token,
            registry_token=self.registry_token,
            server_address=self.server,
        )
