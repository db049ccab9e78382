"""Images that no list, status or container could be made of: refused when they are pulled or found.

Each is served by a registry byte for byte and pulled by the real skopeo. Afterwards nothing of it
is there, everything else is listed, and the log has no traceback.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.rpc.client import Client
from cri_shim.state.leveldb import LevelStore
from tests.fixtures import busybox
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.images import Image, Tar
from tests.fixtures.layer_stores import files_of, layer_at
from tests.fixtures.odd_images import LAYER, config, listed, manifest, pull, remove, whole
from tests.fixtures.odd_registry import OddRegistry

DEEP = "[" * 1000 + "]" * 1000


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def daemon(registry: OddRegistry) -> Iterator[Daemon]:
    with private_daemon(0, **{"image.registries_conf": str(registry.conf)}) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


CONFIGS: dict[str, tuple[bytes, str]] = {
    "half a surrogate pair as user": (config('{"User": "\\ud800"}'), "half a surrogate pair"),
    "half a surrogate pair in a label": (
        config('{"Labels": {"a": "\\udfff"}}'), "half a surrogate pair"),
    "half a surrogate pair in the history": (
        config(top=', "history": [{"created_by": "\\ud800"}]'), "half a surrogate pair"),
    "an encoded surrogate": (
        config('{"User": "USER"}').replace(b"USER", b"\xed\xa0\x80"), "is not UTF-8 text"),
    "no UTF-8": (config('{"User": "USER"}').replace(b"USER", b"\xff"), "is not UTF-8 text"),
    "UTF-16": (config().decode().encode("utf-16"), "is not UTF-8 text|invalid character"),
    "a user of 5,000 digits": (
        config(json.dumps({"User": "1" * 5000})), r"\.config\.User: has 5000 characters"),
    "a NUL in the user": (config('{"User": "a\\u0000b"}'), r"\.config\.User: has a NUL"),
    "a NUL in a variable": (config('{"Env": ["A=\\u0000"]}'), r"\.Env\[0\]: has a NUL"),
    "a NUL in a volume": (config('{"Volumes": {"/a\\u0000": {}}}'), r"\.Volumes: has a NUL"),
    "a NUL in a command": (config('{"Cmd": ["\\u0000"]}'), r"\.Cmd\[0\]: has a NUL"),
    "a number of 5,000 digits": (config(top=f', "x": {"1" * 5000}'), "beyond 64 bits"),
    "a number beyond 64 bits": (config(top=f', "x": {1 << 70}'), "beyond 64 bits"),
    "an infinite number": (config(top=', "x": 1e999'), "too large|cannot unmarshal"),
    "NaN": (config(top=', "x": NaN'), "NaN|invalid character"),
    "a thousand levels": (config(top=f', "x": {DEEP}'), "nested too deeply"),
    "a thousand levels in a label": (config(f'{{"Labels": {{"a": {DEEP}}}}}'), "nested|unmarshal"),
    "a list as config": (config("[]"), r"\.config: an object was expected|cannot unmarshal"),
    "a number as user": (config('{"User": 0}'), r"a string was expected|cannot unmarshal"),
    "no list of layers": (config().replace(b'["sha', b'{"sha').replace(b'"]}', b'": 1}}'),
                          "no valid rootfs.diff_ids|cannot unmarshal"),
    "more bytes than are taken": (config(top=f', "x": "{"y" * (5 << 20)}"'), "larger than|bytes"),
    "a hundred million bytes": (config(top=f', "x": "{"y" * 10**8}"'), "larger than|bytes"),
    "too many values": (config(top=f', "x": [{"1," * 300_000}1]'), "more than 200000 values"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIGS)
async def test_a_config_that_cannot_be_shown_is_refused_at_the_pull(
    cri: Cri, registry: OddRegistry, kind: str
) -> None:
    data, sentence = CONFIGS[kind]
    await refused(cri, registry, manifest(data), data, sentence)


async def refused(
    cri: Cri, registry: OddRegistry, image_manifest: bytes, data: bytes, sentence: str
) -> None:
    before = await listed(cri)
    name = registry.serve(image_manifest, [data, LAYER])

    with pytest.raises(CriShimError, match=sentence) as failed:
        await pull(cri, name)

    assert len(str(failed.value)) < 6000
    assert await listed(cri) == before
    log = cri.daemon.log.read_text()
    assert "Traceback" not in log
    assert max(map(len, log.splitlines())) < 20_000


LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "a size below zero": ({"size": -1}, "no valid size: -1|negative|Size mismatch|invalid"),
    "a size beyond 64 bits": ({"size": 1 << 70}, "beyond 64 bits|cannot unmarshal"),
    "a size that is text": ({"size": "1"}, "no valid size|cannot unmarshal"),
    "a size that is true": ({"size": True}, "no valid size|cannot unmarshal"),
    "another size": ({"size": len(LAYER) + 1}, "[sS]ize|bytes"),
    "another digest algorithm": (
        {"digest": "sha512:" + "a" * 128}, "no valid sha256 digest|404|unsupported|digest"),
    "no digest": ({"digest": ""}, "digest"),
    "a digest that is a path": ({"digest": "sha256:../../../../etc/passwd"}, "digest"),
    "a foreign layer of Docker": (
        {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
         "urls": ["http://127.0.0.1:1/layer"]}, "foreign|unsupported|not supported"),
    "a layer that may not be distributed": (
        {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
         "urls": ["http://127.0.0.1:1/layer"]}, "non-distributable|not supported"),
    "an encrypted layer": (
        {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}, "encrypted"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
async def test_an_unusable_layer_is_refused_at_the_pull(
    cri: Cri, registry: OddRegistry, kind: str
) -> None:
    changed, sentence = LAYERS[kind]
    data = config()
    await refused(cri, registry, manifest(data, **changed), data, sentence)


async def test_a_layer_that_could_also_be_had_elsewhere_is_taken_from_the_registry(
    cri: Cri, registry: OddRegistry
) -> None:
    data = config()
    elsewhere = manifest(data, urls=["http://127.0.0.1:1/layer"])

    id = await pull(cri, registry.serve(elsewhere, [data, LAYER]))

    assert id in await listed(cri)
    await remove(cri, id)


MANIFESTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "layers null": (lambda c: whole(c, layers=None), "lists no layers|0 layers and the config 1"),
    "layers that are no list": (lambda c: whole(c, layers={"a": 1}), "layers|cannot unmarshal"),
    "a layer that is null": (lambda c: whole(c, layers=[None]), "digest|layer 0"),
    "no layers at all": (lambda c: whole(c), "lists no layers|0 layers and the config 1"),
    "no config": (lambda c: whole(c, config=None, layers=[]), "config|digest"),
    "annotations a thousand levels deep": (
        lambda c: manifest(c)[:-1] + f', "annotations": {{"a": {DEEP}}}}}'.encode(),
        "nested too deeply|cannot unmarshal"),
    "half a surrogate pair in an annotation": (
        lambda c: manifest(c)[:-1] + b', "annotations": {"a": "\\ud800"}}', "half a surrogate"),
    "annotations of five megabytes": (
        lambda c: manifest(c)[:-1] + b', "annotations": {"a": "%s"}}' % (b"x" * (5 << 20)),
        "exceeded|larger than|too large|bytes"),
    "another size of the config": (
        lambda c: manifest(c).replace(b'"size": %d' % len(c), b'"size": %d' % (len(c) + 1)),
        "[sS]ize|bytes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_a_malformed_manifest_is_refused_at_the_pull(
    cri: Cri, registry: OddRegistry, kind: str
) -> None:
    make, sentence = MANIFESTS[kind]
    data = config()
    await refused(cri, registry, make(data), data, sentence)


@dataclass(frozen=True, slots=True)
class Shown:
    uid: int | None
    username: str


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("4294967295", Shown(4294967295, "")),
        ("4294967296", Shown(None, "4294967296")),
        ("00000000000000000012", Shown(12, "")),
        ("1" * 1024, Shown(None, "1" * 1024)),
        ("\x1b[31m\n", Shown(None, "\x1b[31m\n")),
        ("😀", Shown(None, "😀")),
    ],
)
async def test_an_odd_user_is_shown_as_it_is(
    cri: Cri, registry: OddRegistry, user: str, shown: Shown
) -> None:
    data = config(json.dumps({"User": user}))
    id = await pull(cri, registry.serve(manifest(data), [data, LAYER]))

    assert id in await listed(cri)
    request = api.ImageStatusRequest(image=api.ImageSpec(image=id))
    image = (await cri.image.ImageStatus(request)).image
    uid = image.uid.value if image.HasField("uid") else None
    assert Shown(uid, image.username) == shown
    await remove(cri, id)


async def test_an_image_of_four_megabytes_of_labels_is_shown(
    cri: Cri, registry: OddRegistry
) -> None:
    data = config(json.dumps({"Labels": {"a": "é" * 2_000_000}}, ensure_ascii=False))
    id = await pull(cri, registry.serve(manifest(data), [data, LAYER]))

    assert id in await listed(cri)
    await remove(cri, id)


@pytest.fixture
def own_daemon(registry: OddRegistry) -> Iterator[Daemon]:
    """A separate daemon that the test kills and starts again."""
    with private_daemon(1, **{"image.registries_conf": str(registry.conf)}) as started:
        yield started


@pytest.mark.parametrize("user", ['"\\ud800"', json.dumps("1" * 5000), "{}"])
async def test_a_stored_image_that_cannot_be_shown_is_set_aside_and_named(
    own_daemon: Daemon, user: str
) -> None:
    daemon = own_daemon
    async with Client(daemon.socket) as client:
        before = await listed(Cri(daemon, client))
    daemon.kill()
    bad = "b" * 64
    store = LevelStore(daemon.root / "state")
    record = ImageRecord(version=1, id=bad, config=config(f'{{"User": {user}}}'), repo_tags=["a:b"])
    store.put("image", bad, record.SerializeToString())
    store.close()

    daemon.start()

    async with Client(daemon.socket) as client:
        again = Cri(daemon, client)
        assert await listed(again) == before
        pod = await again.run_pod()
        await again.run(pod, ["sleep", "600"], image=busybox.NAME)
        await again.remove_all()
    log = daemon.log.read_text()
    assert log.count(f"image record {bad} is set aside: it cannot be used") == 1
    assert "Traceback" not in log


async def test_a_layer_may_make_a_file_of_a_directory(
    cri: Cri, registry: OddRegistry, tmp_path: Path
) -> None:
    """In one layer, and over another; of any depth that a path can name."""
    deep = "d/" * 1500
    first = Tar().directory(deep).file(f"{deep}f", b"x").directory("e").file("e/f")
    second = Tar().directory(deep).file(f"{deep}g").file("d", b"now a file").file("e", b"too")
    image = Image([first, second])

    id = await pull(cri, registry.serve(image.manifest, [image.config_bytes, *image.blobs]))

    assert id in await listed(cri)
    with files_of(cri.daemon.root, image.true_diff_ids[1], tmp_path) as top:
        assert (top / "d").read_bytes() == b"now a file"
    await remove(cri, id)


async def test_a_layer_that_became_a_file_of_another_kind_is_pulled_again(
    cri: Cri, registry: OddRegistry, daemon: Daemon, tmp_path: Path
) -> None:
    image = Image([Tar().file("to be lost", b"x" * 100)])
    name = registry.serve(image.manifest, [image.config_bytes, *image.blobs])
    id = await pull(cri, name)
    layer = layer_at(daemon.root, image.true_diff_ids[0])
    layer.rename(tmp_path / "away")
    os.mkfifo(layer)

    assert await pull(cri, name) == id
    with files_of(daemon.root, image.true_diff_ids[0], tmp_path) as found:
        assert (found / "to be lost").is_file()
    await remove(cri, id)
