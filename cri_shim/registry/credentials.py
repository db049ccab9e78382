"""The credentials of a registry: those of the call, of auth files, and of helper programs.

The call's own go to the registry that the name is of, wherever registries.conf says that this is.
Mirrors get those of the node. `repr` shows no secret.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import printable

_FIELD = "auth"
_TOKEN_USER = "<token>"  # the user name of a helper's answer that is an identity token
_HUB = {"index.docker.io": "docker.io", "registry-1.docker.io": "docker.io"}


@dataclass(frozen=True, slots=True)
class Credential:
    """User and password, an identity (refresh) token, or a registry (bearer) token."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = field(default="", repr=False, compare=False)  # a file, a program, the request

    @property
    def basic(self) -> str:
        """Return the value of a Basic Authorization header, or ""."""
        if not self.user and not self.password:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def shown(self) -> str:
        """Return who it is and where it is from, without a secret."""
        if self.registry_token:
            kind = "the registry token"
        elif self.identity_token:
            kind = "the identity token"
        else:
            kind = f"user {printable(self.user, 100)!r}"
        return f"{kind} (from {self.source})" if self.source else kind


def of_call(auth: Mapping[str, Any] | None) -> Credential | None:
    """Return the credential of a CRI AuthConfig; None if it has none. Failure if malformed."""
    if not auth:
        return None
    values = {key: auth.get(key) or "" for key in _KEYS}
    for key, value in values.items():
        if not isinstance(value, str):
            raise Failure("argument", f"{_FIELD}.{key}: is not text")
    found = None
    if values["identity_token"]:
        found = Credential(user=values["username"], identity_token=values["identity_token"])
    elif values["username"] or values["password"]:
        found = Credential(values["username"], values["password"])
    elif values["auth"]:
        found = decoded(values["auth"], f"{_FIELD}.auth")
    elif values["registry_token"]:
        found = Credential(registry_token=values["registry_token"])
    return replace(found, source="the request") if found else None


_KEYS = ("username", "password", "auth", "identity_token", "registry_token")


def concerns(server_address: str, logical: str, endpoint: Endpoint) -> bool:
    """Tell whether the call's credential is for this endpoint.

    `logical` is the registry in the image's name. With an address, it has to be that registry, or
    the server itself.
    """
    if not server_address:
        return endpoint.primary
    address = host(server_address)
    return address == host(endpoint.registry) or (endpoint.primary and address == host(logical))


def decoded(encoded: str, what: str) -> Credential:
    """Return user and password of base64 text, which may have line breaks as base64(1) makes."""
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True).decode()
    except (binascii.Error, ValueError) as e:
        raise Failure("argument", f"{what}: is not base64") from e
    user, colon, password = text.partition(":")
    if not colon:
        raise Failure("argument", f"{what}: is not base64 of user:password")
    return Credential(user, password.strip("\0"))


def of_helper(answer: Mapping[str, Any]) -> Credential | None:
    """Return the credential in the answer of a credential helper."""
    user, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return Credential(identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)


def of_entry(entry: Mapping[str, Any], what: str) -> Credential | None:
    """Return the credential of an entry in `auths`; None if it is empty."""
    token, encoded = entry.get("identitytoken"), entry.get("auth")
    if isinstance(token, str) and token:
        return Credential(identity_token=token)
    if isinstance(encoded, str) and encoded:
        return decoded(encoded, what)
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str) and (user or password):
        return Credential(user, password)
    token = entry.get("registrytoken")
    return Credential(registry_token=token) if isinstance(token, str) and token else None


def host(address: str) -> str:
    """Return the registry that an address, a URL or a key of an auth file belongs to."""
    text = urlsplit(address if "://" in address else f"//{address}").netloc or address
    return _HUB.get(text, text)
