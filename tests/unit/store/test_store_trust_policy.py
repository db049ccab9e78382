"""policy.json: what is accepted, what is refused, and what skopeo is asked to verify."""

import json
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument, SignatureValidationFailed
from cri_shim.registry.reference import parse
from cri_shim.store.trust import policies, policy
from cri_shim.store.trust.policies import Policies

ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
SIGNED = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}
SIGSTORE = {"type": "sigstoreSigned", "keyPath": "/k.pub"}
DIGEST = "sha256:" + "a" * 64


def document(scopes: dict[str, Any] | None = None, default: Any = REJECT) -> bytes:
    docker = {scope: [one] for scope, one in (scopes or {}).items()}
    return json.dumps({"default": [default], "transports": {"docker": docker}}).encode()


def scope_of(name: str, *scopes: str) -> str:
    found = policy.parse(document(dict.fromkeys(scopes, ACCEPT)))
    return policy.applied(found, parse(name)).scope


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1", "docker.io/library/busybox"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"busybox:latest@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        ("busyboxes", "docker.io/library"),
        ("team/app", "docker.io"),
        ("r.example:5000/a/b/c:1", "r.example:5000/a/b"),
        ("r.example:5000/a/bc", "r.example:5000/a"),
        ("r.example:5000/b", "r.example:5000"),
        ("r.example/b", "*.example"),  # not the host with a port
        ("r.example:5001/b", "*.example"),
        ("a.b.r.example/x", "*.b.r.example"),
        ("a.c.r.example/x", "*.r.example"),
        ("localhost/x", "docker images"),
    ],
)
def test_the_most_specific_scope_applies(name: str, scope: str) -> None:
    known = ["docker.io/library/busybox:latest", "docker.io/library/busybox", "docker.io/library",
             f"docker.io/library/busybox@{DIGEST}", "docker.io", "r.example:5000/a/b",
             "r.example:5000/a", "r.example:5000", "*.example", "*.b.r.example", "*.r.example",
             ""]  # fmt: skip
    assert scope_of(name, *known) == scope


def test_without_a_scope_the_default_applies() -> None:
    assert scope_of("busybox", "quay.io", "docker.io/library/busy") == "all images"


@pytest.mark.parametrize(
    ("requirements", "refused", "signatures"),
    [
        ([ACCEPT], False, False),
        ([REJECT], True, False),
        ([ACCEPT, REJECT], True, False),
        ([SIGNED, REJECT], True, False),
        ([SIGNED], False, True),
        ([ACCEPT, SIGSTORE], False, True),
    ],
)
def test_all_requirements_must_be_met(
    requirements: list[Any], refused: bool, signatures: bool
) -> None:
    found = policy.parse(json.dumps({"default": requirements}).encode())
    applied = policy.applied(found, parse("busybox"))
    assert (applied.refused, applied.needs_signatures) == (refused, signatures)


def identity(requirement: dict[str, Any], name: str) -> Any:
    found = policy.parse(document(default=requirement))
    applied = policy.applied(found, parse(name))
    (only,) = json.loads(policy.for_skopeo(applied.requirements, parse(name)))["default"]
    return only.get("signedIdentity")


DEFAULT = {"type": "matchRepoDigestOrExact"}
REMAP = {"type": "remapIdentity", "prefix": "r.example/mirror", "signedPrefix": "docker.io"}


@pytest.mark.parametrize(
    ("wanted", "name", "asked"),
    [
        (None, "r.example/a:1", "r.example/a:1"),
        ({"type": "matchExact"}, "busybox", "docker.io/library/busybox:latest"),
        ({"type": "matchRepoDigestOrExact"}, "r.example/a:1", "r.example/a:1"),
        (REMAP, "r.example/mirror/team/a:1", "docker.io/team/a:1"),
        (REMAP, "r.example/mirrors/a:1", "r.example/mirrors/a:1"),
        (
            {**REMAP, "prefix": "r.example/a", "signedPrefix": "x.org/b"},
            "r.example/a:1",
            "x.org/b:1",
        ),
    ],
)
@pytest.mark.parametrize("kind", [SIGNED, SIGSTORE])
def test_a_signature_must_be_for_the_tag_that_was_asked_for(
    kind: dict[str, Any], wanted: dict[str, Any] | None, name: str, asked: str
) -> None:
    requirement = {**kind, "signedIdentity": wanted} if wanted else kind
    exact = {"type": "exactReference", "dockerReference": asked}
    assert identity(requirement, name) == exact
    by_digest = identity(requirement, f"{name.partition(':')[0]}@{DIGEST}")
    same = {"type": "exactRepository", "dockerRepository": asked.rpartition(":")[0]}
    assert by_digest == (same if wanted and "prefix" in wanted else wanted or DEFAULT)


@pytest.mark.parametrize(
    "wanted",
    [{"type": "matchRepository"}, {"type": "exactReference", "dockerReference": "x.org/a:1"},
     {"type": "exactRepository", "dockerRepository": "x.org/a"}],
)  # fmt: skip
def test_an_identity_without_the_tag_stays(wanted: dict[str, Any]) -> None:
    assert identity({**SIGNED, "signedIdentity": wanted}, "r.example/a:1") == wanted


INVALID = {
    "{": "is not JSON",
    "[]": "the policy is not a JSON object",
    "{}": "has no default",
    '{"default": []}': "the default has no list of requirements",
    '{"default": {}}': "the default has no list of requirements",
    '{"default": [{"type": "trustMe"}]}': "the unknown type trustMe",
    '{"default": [{}]}': "the unknown type None",
    '{"default": [5]}': "a requirement of the default is not a JSON object",
    '{"default": [{"type": "reject", "why": 1}]}': "reject of the default has the unknown",
    '{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}':
        "the field default twice",
    '{"default": [{"type": "reject"}], "other": 1}': "the policy has the unknown field other",
    '{"default": [{"type": "reject"}], "transports": []}': "transports is not a JSON object",
    '{"default": [{"type": "reject"}], "transports": {"docker": 1}}': "transport docker is not",
    '{"default": [{"type": "reject"}], "transports": {"docker": {"": []}}}':
        "docker: its default has no list",
    '{"default": [{"type": "signedBy", "signedIdentity": {"type": "x"}}]}': "unknown type x",
    '{"default": [{"type": "signedBy", "signedIdentity": {"type": "exactReference"}}]}':
        "has no dockerReference",
    '{"default": [{"type": "signedBy", "signedIdentity": "x"}]}': "is not a JSON object",
}  # fmt: skip


@pytest.mark.parametrize("text", INVALID)
async def test_an_invalid_file_accepts_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)
    with pytest.raises(SignatureValidationFailed, match="cannot be used") as failed:
        (await Policies(file).read()).check(parse("busybox"))
    assert INVALID[text] in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_a_rejected_image_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(document({"docker.io/library": REJECT}, ACCEPT))
    with pytest.raises(SignatureValidationFailed) as failed:
        (await Policies(file).read()).check(parse("busybox"))
    assert str(failed.value) == (
        "SignatureValidationFailed: docker.io/library/busybox:latest is rejected by"
        f" {file}, which rejects docker.io/library"
    )
    assert not (await Policies(file).read()).check(parse("r.example/a")).needs_signatures


async def test_a_file_that_is_configured_and_missing_accepts_nothing(tmp_path: Path) -> None:
    with pytest.raises(SignatureValidationFailed, match="No such file"):
        (await Policies(tmp_path / "none.json").read()).check(parse("busybox"))


async def test_the_users_file_comes_before_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, own = tmp_path / "system.json", tmp_path / ".config/containers/policy.json"
    monkeypatch.setattr(policies, "SYSTEM_FILE", system)
    both = Policies(home=tmp_path)
    assert (await both.read()).check(parse("busybox")).scope == "all images"  # there is no file

    system.write_bytes(document())
    with pytest.raises(SignatureValidationFailed, match=r"system\.json"):
        (await both.read()).check(parse("busybox"))
    own.parent.mkdir(parents=True)
    own.write_bytes(document(default=SIGNED))

    assert (await both.read()).check(parse("busybox")).needs_signatures


async def test_a_namespace_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    node, own = tmp_path / "policy.json", tmp_path / "of"
    own.mkdir()
    node.write_bytes(document())
    (own / "free.json").write_bytes(document(default=ACCEPT))
    (own / "dangling.json").symlink_to(tmp_path / "none")
    both = Policies(node, own)

    assert not (await both.read("free")).check(parse("busybox")).needs_signatures
    for namespace in ("", "other", "Free", "dangling"):
        with pytest.raises(SignatureValidationFailed):
            (await both.read(namespace)).check(parse("busybox"))
    for namespace in ("../of/free", "..", "/free", "a" * 64):
        with pytest.raises(InvalidArgument, match="is no namespace"):
            (await both.read(namespace)).check(parse("busybox"))


async def test_the_file_for_skopeo_exists_during_the_copy(tmp_path: Path) -> None:
    node = tmp_path / "policy.json"
    node.write_bytes(document(default=SIGSTORE))
    name = parse("r.example/a:1")
    verdict = (await Policies(node).read()).check(name)
    with policies.policy_file(verdict.requirements, name, tmp_path / "secrets") as file:
        assert [p.name for p in (tmp_path / "secrets").iterdir()] == [file.name]
        assert policy.parse(file.read_bytes()).default[0]["keyPath"] == "/k.pub"
    assert list((tmp_path / "secrets").iterdir()) == []
