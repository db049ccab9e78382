"""The answers of the image calls, from records alone."""

import json
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.images import query
from cri_shim.images.query import to_api
from cri_shim.pb import api_pb2 as api
from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.state.memory import MemoryStore
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.image_store import ImageStore
from cri_shim.work import PullKey
from tests.fixtures.image_engine import engine_of

DIGEST = "sha256:" + "d" * 64
FIRST, SECOND = "abcd" + "1" * 60, "abcd" + "2" * 60


def record(id: str, *tags: str, user: str = "") -> ImageRecord:
    config = {"config": {"User": user, "Labels": {"a": "b"}}}
    return ImageRecord(
        version=1, id=id, repo_tags=tags, size=7, config=json.dumps(config).encode()
    )  # fmt: skip


@pytest.fixture
async def engine(tmp_path: Path) -> Engine:
    state = MemoryStore()
    skopeo = Skopeo(architecture="amd64")
    store = ImageStore(tmp_path / "root", tmp_path / "run", state, boot_id="b", skopeo=skopeo)
    first = record(FIRST, "docker.io/library/busybox:latest", user="1000")
    first.repo_digests.append(f"docker.io/library/busybox@{DIGEST}")
    await store.catalog.add(first)
    await store.catalog.add(record(SECOND, "r.example/abcd:1", user="app:users"))
    return engine_of(store)


@pytest.mark.parametrize(
    "reference",
    [FIRST, f"sha256:{FIRST}", FIRST[:10], f"sha256:{FIRST[:10]}", "busybox", "busybox:latest",
     "docker.io/busybox", f"busybox@{DIGEST}", f"busybox:other@{DIGEST}"],
)  # fmt: skip
def test_every_reference_of_an_image_finds_it(engine: Engine, reference: str) -> None:
    found = query.resolve(engine, reference)

    assert found is not None
    assert found.id == FIRST


@pytest.mark.parametrize("reference", ["", "busybox:2", "0" * 64, "???", "r.example/busybox"])
def test_a_missing_image_is_no_error(engine: Engine, reference: str) -> None:
    assert query.resolve(engine, reference) is None
    assert query.status(engine, reference, verbose=True) == (None, {})


def test_an_ambiguous_prefix_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="ambiguous"):
        query.resolve(engine, "abcd")


def test_uid_and_name_exclude_each_other(engine: Engine) -> None:
    number, _ = query.status(engine, FIRST)
    name, _ = query.status(engine, SECOND)

    assert number is not None
    assert name is not None
    assert (number.uid.value, number.username) == (1000, "")
    assert (name.HasField("uid"), name.username) == (False, "app")


def test_root_s_uid_is_set_though_it_is_zero() -> None:
    assert to_api(record(FIRST), "0").HasField("uid")


def test_a_list_can_be_of_one_name(engine: Engine) -> None:
    one = api.ImageFilter(image=api.ImageSpec(image="busybox"))
    none = api.ImageFilter(image=api.ImageSpec(image="none"))

    assert [image.id for image in query.listed(engine)] == [FIRST, SECOND]
    assert [image.id for image in query.listed(engine, one)] == [FIRST]
    assert list(query.listed(engine, none)) == []


def test_the_info_is_there_only_if_requested(engine: Engine) -> None:
    _, brief = query.status(engine, FIRST)
    _, info = query.status(engine, FIRST, verbose=True)

    assert brief == {}
    assert json.loads(info["info"])["labels"] == {"a": "b"}


def test_a_pull_s_key_shows_no_secret() -> None:
    assert "secret" not in str(PullKey("busybox", b"secret"))
