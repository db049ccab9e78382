"""policy.json, containers-policy.json(5): which images are accepted, by whose signatures; pure.

The file is parsed as strictly as skopeo does it: what is not known, or there twice, makes the whole
file invalid. Which requirements apply to an image, and whether they refuse it, is decided here. A
signature is verified by skopeo, with a policy of the image's own requirements.

skopeo fetches an image by its digest, so that a tag cannot change in the meantime. For a digest, it
accepts the signature of any tag of the repository. So each identity that depends on the tag becomes
the one reference that was asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.registry.reference import Reference
from cri_shim.untrusted import parse_json, printable

ACCEPT, REJECT = "insecureAcceptAnything", "reject"
IDENTITY = "signedIdentity"
_EXACT, _EXACT_OR_DIGEST, _REMAP = "matchExact", "matchRepoDigestOrExact", "remapIdentity"
_FIELDS: Mapping[str, frozenset[str]] = {  # type of a requirement -> its other fields
    ACCEPT: frozenset(),
    REJECT: frozenset(),
    "signedBy": frozenset({"keyType", "keyPath", "keyPaths", "keyData", IDENTITY}),
    "sigstoreSigned": frozenset(
        {"keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath",
         "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas", IDENTITY}
    ),
}  # fmt: skip
_IDENTITIES: Mapping[str, frozenset[str]] = {
    _EXACT: frozenset(),
    _EXACT_OR_DIGEST: frozenset(),
    "matchRepository": frozenset(),
    "exactReference": frozenset({"dockerReference"}),
    "exactRepository": frozenset({"dockerRepository"}),
    _REMAP: frozenset({"prefix", "signedPrefix"}),
}

Requirements = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    default: Requirements
    transports: Mapping[str, Mapping[str, Requirements]]  # transport -> scope


@dataclass(frozen=True, slots=True)
class Applied:
    """The requirements of one image, all of which it must meet, and the scope that has them."""

    scope: str
    requirements: Requirements

    @property
    def refused(self) -> bool:
        return any(one["type"] == REJECT for one in self.requirements)

    @property
    def needs_signatures(self) -> bool:
        return not self.refused and any(one["type"] != ACCEPT for one in self.requirements)


def parse(data: bytes) -> Policy:
    """Return the policy; ValueError says what is wrong."""
    parse_json(data)  # has limits
    document = json.loads(data, object_pairs_hook=_without_repeats)
    fields = _fields(document, "the policy", {"default", "transports"})
    if "default" not in fields:
        raise ValueError("has no default")
    transports = {
        name: {
            scope: _requirements(value, f"{name}: {scope or 'its default'}")
            for scope, value in _object(scopes, f"transport {name}").items()
        }
        for name, scopes in _object(fields.get("transports", {}), "transports").items()
    }
    return Policy(_requirements(fields["default"], "the default"), transports)


def applied(policy: Policy, reference: Reference) -> Applied:
    """Return what applies to an image of a registry: the most specific scope."""
    known = policy.transports.get("docker", {})
    for scope in scopes(reference):
        if scope in known:
            return Applied(scope, known[scope])
    if "" in known:
        return Applied("docker images", known[""])
    return Applied("all images", policy.default)


def scopes(reference: Reference) -> list[str]:
    """Return the possible scopes, most specific first.

    The name with its digest or tag; the repository and what is above it, down to the host with its
    port; *.DOMAIN for each domain of the host, without the port.
    """
    exact = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    name, found = reference.repository, [reference.repository + exact]
    while name:
        found.append(name)
        name = name.rpartition("/")[0]
    domain = reference.registry.partition(":")[0]
    while "." in domain:
        domain = domain.partition(".")[2]
        found.append(f"*.{domain}")
    return found


def for_skopeo(requirements: Requirements, reference: Reference) -> bytes:
    """Return a policy.json with these requirements, for the image that `reference` asks for."""
    exact = [_with_identity(requirement, reference) for requirement in requirements]
    return json.dumps({"default": exact}).encode()


def _with_identity(requirement: Mapping[str, Any], reference: Reference) -> Mapping[str, Any]:
    if requirement["type"] in (ACCEPT, REJECT):
        return requirement
    return {**requirement, IDENTITY: identity(requirement, reference)}


def identity(requirement: Mapping[str, Any], reference: Reference) -> Mapping[str, Any]:
    """Return the `signedIdentity` of a requirement for one image, without remapIdentity."""
    wanted: Mapping[str, Any] = requirement.get(IDENTITY, {"type": _EXACT_OR_DIGEST})
    if wanted["type"] not in (_EXACT, _EXACT_OR_DIGEST, _REMAP):
        return wanted
    name = reference.repository
    if wanted["type"] == _REMAP:
        name = _remapped(name, str(wanted["prefix"]), str(wanted["signedPrefix"]))
        if reference.digest:
            return {"type": "exactRepository", "dockerRepository": name}
    if reference.digest:
        return wanted
    return {"type": "exactReference", "dockerReference": f"{name}:{reference.tag}"}


def _remapped(name: str, prefix: str, signed: str) -> str:
    if name == prefix:
        return signed
    below = name.removeprefix(f"{prefix}/")
    return name if below == name else f"{signed}/{below}"


def _requirements(value: Any, where: str) -> Requirements:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{printable(where)} has no list of requirements")
    return tuple(_requirement(one, printable(where)) for one in value)


def _requirement(value: Any, where: str) -> Mapping[str, Any]:
    kind = str(_object(value, f"a requirement of {where}").get("type"))
    if kind not in _FIELDS:
        raise ValueError(f"{where} has a requirement of the unknown type {printable(kind, 100)}")
    _fields(value, f"{kind} of {where}", {"type", *_FIELDS[kind]})
    if IDENTITY in value:
        _check_identity(value[IDENTITY], f"{IDENTITY} of {where}")
    return dict(value)


def _check_identity(value: Any, where: str) -> None:
    kind = str(_object(value, where).get("type"))
    if kind not in _IDENTITIES:
        raise ValueError(f"{where} has the unknown type {printable(kind, 100)}")
    fields = _fields(value, where, {"type", *_IDENTITIES[kind]})
    for name in _IDENTITIES[kind]:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise ValueError(f"{where} has no {name}")


def _fields(value: Any, where: str, known: set[str]) -> Mapping[str, Any]:
    fields = _object(value, where)
    for name in fields.keys() - known:
        raise ValueError(f"{where} has the unknown field {printable(name, 100)}")
    return fields


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{printable(where)} is not a JSON object")  # noqa: TRY004
    return value


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the field {printable(again, 100)} twice")
    return found
