"""Pulls of images that policy.json wants signed: real keys, real signatures, verified by skopeo."""

import base64
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import SignatureValidationFailed
from cri_shim.images import pull, query
from cri_shim.store.manifest import host_architecture
from tests.fixtures.images import Image, Registry, Tar
from tests.fixtures.signatures import GpgKeys, SigstoreKeys, gpg_keys, sigstore_keys
from tests.integration.images.conftest import Open

ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
REFUSED = r"^SignatureValidationFailed: "


@pytest.fixture(scope="module")
def gpg() -> Iterator[GpgKeys]:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as home:
        with gpg_keys(Path(home)) as keys:
            yield keys


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> SigstoreKeys:
    return sigstore_keys(tmp_path_factory.mktemp("sigstore"))


def image_of(name: str) -> Image:
    return Image([Tar().file(name)])


def signed_by(keys: GpgKeys, **more: Any) -> dict[str, Any]:
    return {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(keys.public), **more}


def sigstore_signed(keys: SigstoreKeys, **more: Any) -> dict[str, Any]:
    return {"type": "sigstoreSigned", "keyPath": str(keys.public), **more}


Demanding = Callable[[Any], Awaitable[Engine]]


@pytest.fixture
def demanding(open_images: Open, gpg: GpgKeys, tmp_path: Path) -> Demanding:
    """A function that opens a store whose policy has this requirement for all images."""

    async def open_(requirement: Any) -> Engine:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps({"default": [requirement]}))
        return await open_images(policy=file, env=gpg.env)

    return open_


def left(engine: Engine) -> list[Path]:
    return [*engine.images.layouts.iterdir(), *engine.images.secrets.glob("*")]


async def refused(engine: Engine, name: str) -> None:
    with pytest.raises(SignatureValidationFailed, match=REFUSED):
        await pull.pull(engine, name)
    assert list(query.listed(engine)) == []
    assert left(engine) == []


async def test_an_image_signed_with_the_gpg_key_is_pulled(
    demanding: Demanding, registry: Registry, gpg: GpgKeys
) -> None:
    engine = await demanding(signed_by(gpg))
    image = image_of("signed")
    name = gpg.push(registry, image, "signed/app:1")

    assert await pull.pull(engine, name) == image.id
    found = query.resolve(engine, name)
    assert found is not None
    assert list(found.repo_tags) == [name]
    assert await pull.pull(engine, f"{registry.name('signed/app')}@{image.digest}") == image.id
    assert left(engine) == []


async def test_an_image_without_a_signature_is_refused(
    demanding: Demanding, registry: Registry, gpg: GpgKeys
) -> None:
    engine = await demanding(signed_by(gpg))
    await refused(engine, registry.push(image_of("bare"), "signed/bare:1"))


async def test_a_signature_of_another_gpg_key_is_refused(
    demanding: Demanding, registry: Registry, gpg: GpgKeys
) -> None:
    with tempfile.TemporaryDirectory(prefix="cst", dir="/tmp") as home:
        with gpg_keys(Path(home)) as other:
            name = gpg.push(registry, image_of("mine"), "signed/mine:1")
            engine = await demanding(signed_by(other))
            await refused(engine, name)


async def test_a_signature_of_another_tag_is_refused(
    demanding: Demanding, registry: Registry, gpg: GpgKeys
) -> None:
    """An attacker who may push moves a tag to an older image, which has a signature, too."""
    old = image_of("old")
    engine = await demanding(signed_by(gpg))
    gpg.push(registry, image_of("new"), "signed/moved:2")
    gpg.push(registry, old, "signed/moved:1")
    registry.push(old, "signed/moved:2")

    await refused(engine, registry.name("signed/moved:2"))
    assert await pull.pull(engine, registry.name("signed/moved:1")) == old.id


async def test_a_signature_of_another_repository_counts_where_the_policy_says_so(
    demanding: Demanding, registry: Registry, gpg: GpgKeys
) -> None:
    image = image_of("mirrored")
    name = gpg.push(registry, image, "mirror/app:1", "docker.io/team/app:1")
    await refused(await demanding(signed_by(gpg)), name)
    prefix = registry.name("mirror")
    remap = {"type": "remapIdentity", "prefix": prefix, "signedPrefix": "docker.io/team"}

    engine = await demanding(signed_by(gpg, signedIdentity=remap))

    assert await pull.pull(engine, name) == image.id


async def test_an_image_signed_with_the_sigstore_key_is_pulled(
    demanding: Demanding, registry: Registry, sigstore: SigstoreKeys
) -> None:
    engine = await demanding(sigstore_signed(sigstore))
    image = image_of("cosigned")
    name = registry.push(image, "cosigned/app:1")
    await refused(engine, name)
    sigstore.sign(registry, image.digest, "cosigned/app:1")

    assert await pull.pull(engine, name) == image.id
    assert left(engine) == []


async def test_a_signature_of_another_sigstore_key_is_refused(
    demanding: Demanding, registry: Registry, sigstore: SigstoreKeys, tmp_path: Path
) -> None:
    image = image_of("other key")
    name = registry.push(image, "cosigned/other:1")
    sigstore_keys(tmp_path / "other").sign(registry, image.digest, "cosigned/other:1")

    await refused(await demanding(sigstore_signed(sigstore)), name)


async def test_cosigns_own_identity_counts_with_match_repository(
    demanding: Demanding, registry: Registry, sigstore: SigstoreKeys
) -> None:
    """cosign writes the repository without a tag."""
    image = image_of("by cosign")
    name = registry.push(image, "cosigned/bare:1")
    sigstore.sign(registry, image.digest, "cosigned/bare:1", registry.name("cosigned/bare"))
    await refused(await demanding(sigstore_signed(sigstore)), name)
    same = {"type": "matchRepository"}

    engine = await demanding(sigstore_signed(sigstore, signedIdentity=same))

    assert await pull.pull(engine, name) == image.id


async def test_a_signature_of_the_whole_index_counts(
    demanding: Demanding, registry: Registry, sigstore: SigstoreKeys
) -> None:
    mine, other = image_of("mine"), Image([Tar().file("other")], architecture="mips64le")
    index = registry.push_list({host_architecture(): mine, "mips64le": other}, "cosigned/list:1")
    engine = await demanding(sigstore_signed(sigstore))
    await refused(engine, registry.name("cosigned/list:1"))
    sigstore.sign(registry, index, "cosigned/list:1")

    assert await pull.pull(engine, registry.name("cosigned/list:1")) == mine.id


async def test_the_key_may_be_in_the_policy_itself(
    demanding: Demanding, registry: Registry, sigstore: SigstoreKeys
) -> None:
    data = base64.b64encode(sigstore.public.read_bytes()).decode()
    engine = await demanding({"type": "sigstoreSigned", "keyData": data})
    image = image_of("key data")
    name = registry.push(image, "cosigned/data:1")
    sigstore.sign(registry, image.digest, "cosigned/data:1")

    assert await pull.pull(engine, name) == image.id


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"keyPath": "/none.pem"}, "No such file"),
        ({"keyData": "?"}, "cannot be used"),
        ({}, "names no public key"),
    ],
)
async def test_a_key_that_cannot_be_used_is_a_refusal(
    demanding: Demanding, registry: Registry, fields: dict[str, str], words: str
) -> None:
    engine = await demanding({"type": "sigstoreSigned", **fields})
    name = registry.push(image_of("bad key"), "cosigned/bad:1")

    with pytest.raises(SignatureValidationFailed, match=words):
        await pull.pull(engine, name)


async def test_both_signatures_may_be_required(
    open_images: Open, registry: Registry, gpg: GpgKeys, sigstore: SigstoreKeys, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"default": [signed_by(gpg), sigstore_signed(sigstore)]}))
    engine = await open_images(policy=file, env=gpg.env)
    image = image_of("both")
    name = gpg.push(registry, image, "both/app:1")
    await refused(engine, name)
    sigstore.sign(registry, image.digest, "both/app:1")

    assert await pull.pull(engine, name) == image.id


async def test_a_namespace_has_its_own_policy(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    node, own = tmp_path / "policy.json", tmp_path / "namespaces"
    own.mkdir()
    node.write_text(json.dumps({"default": [REJECT]}))
    (own / "open.json").write_text(json.dumps({"default": [ACCEPT]}))
    engine = await open_images(policy=node, namespaces=own)
    image = image_of("by namespace")
    name = registry.push(image, "namespaces/app:1")

    for namespace in ("", "closed"):
        with pytest.raises(SignatureValidationFailed, match=rf"rejected by {node}, which rejects"):
            await pull.pull(engine, name, asked_by=f"{namespace}/pod")
    assert await pull.pull(engine, name, asked_by="open/pod") == image.id


async def test_a_policy_that_changes_applies_to_the_next_pull(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    scoped = {"transports": {"docker": {registry.name("changing/app"): [REJECT]}}}
    file.write_text(json.dumps({"default": [ACCEPT], **scoped}))
    engine = await open_images(policy=file)
    name = registry.push(image_of("changing"), "changing/app:1", "changing/application:1")

    with pytest.raises(SignatureValidationFailed):
        await pull.pull(engine, name)
    await pull.pull(engine, registry.name("changing/application:1"))
    file.write_text(json.dumps({"default": [ACCEPT]}))
    await pull.pull(engine, name)
