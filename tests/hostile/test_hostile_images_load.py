"""Archives and directories that are no image: each is refused in words when it is loaded."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CriShimError, InvalidArgument, NotFound
from cri_shim.pb import control_pb2 as control
from tests.fixtures.cri import Cri
from tests.fixtures.images import Image, Tar
from tests.fixtures.odd_images import listed

IMAGE = Image([Tar().file("loaded", b"1")])
DEEP = b"[" * 5000 + b"]" * 5000


async def refused(
    cri: Cri, source: str, words: str, kind: type[CriShimError] = InvalidArgument
) -> None:
    before = await listed(cri)
    with pytest.raises(kind, match=words) as failed:
        await cri.control.LoadImage(control.LoadImageRequest(source=source))
    assert len(str(failed.value)) < 6000
    log = cri.daemon.log.read_text()
    assert "Traceback" not in log
    assert "met a bug" not in log
    assert await listed(cri) == before
    assert list((cri.daemon.root / "images" / "layouts").iterdir()) == []


def archive(directory: Path, name: str, content: bytes) -> Path:
    file = directory / "archive.tar"
    file.write_bytes(Tar().file(name, content).bytes())
    return file


INDEXES: dict[str, tuple[bytes, str]] = {
    "an object": (b"{}", "manifest.json is not a list of JSON objects"),
    "a number": (b"5", "manifest.json is not a list of JSON objects"),
    "null": (b"null", "manifest.json is not a list of JSON objects"),
    "nothing": (b"[]", "holds no image"),
    "a list of numbers": (b"[1]", "manifest.json is not a list of JSON objects"),
    "names that are a number": (b'[{"RepoTags": 5}]', "RepoTags of image 0 are not names"),
    "names that are numbers": (b'[{"RepoTags": [5]}]', "RepoTags of image 0 are not names"),
    "names that are a string": (b'[{"RepoTags": "ab"}]', "RepoTags of image 0 are not names"),
    "a name that is none": (b'[{"RepoTags": ["UPPER CASE"]}]', "is not an image name"),
    "a name with a NUL": (b'[{"RepoTags": ["a\\u0000"]}]', "is not an image name"),
    "half a surrogate pair": (b'[{"RepoTags": ["\\ud800"]}]', "half a surrogate pair"),
    "no UTF-8": (b'["\xff"]', "not UTF-8 text"),
    "a thousand levels": (DEEP, "nested too deeply"),
    "no JSON": (b"{", "is not JSON"),
    "no name": (b'[{"Config": "c"}]', "carries no image name"),
    "no config": (b'[{"RepoTags": ["a:b"], "Layers": []}]', "cannot copy|config"),
    "a config that is elsewhere": (
        b'[{"RepoTags": ["a:b"], "Config": "../../etc/passwd", "Layers": []}]', "cannot copy"),
}  # fmt: skip


@pytest.mark.parametrize("kind", INDEXES)
async def test_an_odd_manifest_json_is_refused(cri: Cri, tmp_path: Path, kind: str) -> None:
    content, words = INDEXES[kind]
    file = archive(tmp_path, "manifest.json", content)
    await refused(cri, f"docker-archive:{file}", words, CriShimError)


LAYOUTS: dict[str, tuple[Any, str]] = {
    "a list": ([], "index.json is not a JSON object"),
    "no manifests": ({}, "holds no image"),
    "manifests that are a number": ({"manifests": 5}, "is not a list of JSON objects"),
    "manifests that are strings": ({"manifests": ["a"]}, "is not a list of JSON objects"),
    "annotations that are a list": (
        {"manifests": [{"annotations": [1]}]}, "annotations in index.json are not an object"),
    "a name with a NUL": (
        {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "a\0b"}}] * 2},
        "is not an image name"),
    "a name of lines": (
        {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "a\n:b"}}]},
        "is not an image name"),
    "a full name that is a number": (
        {"manifests": [{"annotations": {"io.containerd.image.name": 5}}]}, "cannot copy"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
async def test_an_odd_index_json_is_refused(
    cri: Cri, tmp_path: Path, kind: str, transport: str
) -> None:
    index, words = LAYOUTS[kind]
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "index.json").write_text(json.dumps(index))
    source = layout
    if transport == "oci-archive":
        source = archive(tmp_path, "index.json", json.dumps(index).encode())
    await refused(cri, f"{transport}:{source}", words, CriShimError)


async def test_an_index_of_any_size_or_kind_is_not_read(cri: Cri, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    with (tmp_path / "large" / "index.json").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "index.json")
    await refused(cri, f"oci:{tmp_path}/large", "larger than 16777216 bytes")
    await refused(cri, f"oci:{tmp_path}/fifo", "not a regular file")
    await refused(cri, f"oci:{tmp_path}", "No such file")


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "oci", "dir"])
async def test_a_source_of_the_wrong_kind_is_refused_at_once(
    cri: Cri, tmp_path: Path, transport: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    await refused(cri, f"{transport}:{tmp_path}/fifo", "is not a (regular file|directory)")
    await refused(cri, f"{transport}:/dev/zero", "is not a (regular file|directory)")
    await refused(cri, f"{transport}:{tmp_path}/none", "there is no such file", NotFound)


async def test_a_header_that_claims_gigabytes_takes_none(cri: Cri, tmp_path: Path) -> None:
    """A pax header is read as a whole by Python's tarfile."""
    info = tarfile.TarInfo("manifest.json")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    with (tmp_path / "bomb.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(9 << 30)
    await refused(cri, f"docker-archive:{tmp_path}/bomb.tar", "memory would be needed|cannot read")


@pytest.mark.parametrize("cut", [3, 100, -1])
async def test_a_compressed_archive_that_is_cut_is_damaged(
    cri: Cri, tmp_path: Path, cut: int
) -> None:
    plain = IMAGE.write_docker_archive(tmp_path / "a.tar", ["cut:1"]).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain)[:cut])
    await refused(cri, f"docker-archive:{tmp_path}/a.tar.gz", "is damaged")


async def test_an_archive_with_an_unnamed_image_among_several_is_refused(
    cri: Cri, tmp_path: Path
) -> None:
    tar = Tar().file("config.json", IMAGE.config_bytes).file("layer.tar", b"")
    layers = ["layer.tar"]
    images = [
        {"Config": "config.json", "RepoTags": ["good:1"], "Layers": layers},
        {"Config": "config.json", "RepoTags": ["NOT GOOD"], "Layers": layers},
    ]
    file = tmp_path / "two.tar"
    file.write_bytes(tar.file("manifest.json", json.dumps(images).encode()).bytes())
    await refused(cri, f"docker-archive:{file}", "is not an image name")


async def test_a_file_that_is_not_an_archive_is_refused(cri: Cri, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a tar" * 1000)
    (tmp_path / "empty").touch()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("other"))
    (tmp_path / "other").write_bytes(whole.getvalue())
    await refused(cri, f"docker-archive:{tmp_path}/text", "cannot read manifest.json")
    await refused(cri, f"docker-archive:{tmp_path}/empty", "cannot read manifest.json")
    await refused(cri, f"docker-archive:{tmp_path}/other", "has no manifest.json")
    await refused(cri, "docker-archive:relative", "is not one of")
