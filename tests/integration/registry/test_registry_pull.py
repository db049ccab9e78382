"""The worker process and a real registry."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.images import Image, Registry, Tar, basic_auth
from tests.fixtures.registry_worker import Worker, content, layers


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        yield running


def image_of(*names: str, **options: object) -> Image:
    layers = [Tar().file(name, os.urandom(300_000)) for name in names]
    return Image(layers, **options)  # type: ignore[arg-type]


def test_an_image_is_resolved_and_its_blobs_are_fetched_and_verified(
    registry: Registry, tmp_path: Path
) -> None:
    image = image_of("one", "two", "three", "four")
    name = registry.push(image, "a/whole:1")

    with Worker(tmp_path, name, registries_conf=registry.conf) as worker:
        found = worker.expect("image")
        for digest, size in layers(found):
            worker.fetch(digest, size)
        for _ in image.blobs:
            worker.expect("whole")
        assert worker.end() == 0

    assert (found["reference"], found["host"], found["index"]) == (name, registry.host, "")
    assert found["digest"] == found["manifest_digest"] == image.digest
    assert content(found, "manifest") == image.manifest
    assert content(found, "config") == image.config_bytes
    assert worker.stderr == b""
    for (digest, size), blob in zip(layers(found), image.blobs, strict=True):
        assert worker.file(digest) == blob
        told = [e["done"] for e in worker.events if e["event"] == "blob" and e["digest"] == digest]
        assert told == sorted(set(told))
        assert (told[0], told[-1]) == (0, size)
    assert len(worker.names()) == 4


@pytest.mark.parametrize("name", ["a/list:1", "a/list@DIGEST"])
def test_the_image_of_this_machine_is_chosen_from_an_index(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    own, other = image_of("own"), image_of("other", architecture="m68k")
    digest = registry.push_list({"m68k": other, "amd64": own}, "a/list:1")

    worker = Worker(
        tmp_path,
        registry.name(name.replace("DIGEST", digest)),
        registries_conf=registry.conf,
        architecture="amd64",
    )
    with worker:
        found = worker.expect("image")

    assert (found["digest"], found["manifest_digest"]) == (digest, own.digest)
    assert [e["digest"] for e in json.loads(content(found, "index"))["manifests"]] == [
        other.digest,
        own.digest,
    ]


def test_an_index_without_an_image_for_this_machine_names_its_platforms(
    registry: Registry, tmp_path: Path
) -> None:
    other = image_of("other", architecture="m68k")
    registry.push_list({"m68k": other}, "a/others:1")

    with Worker(tmp_path, registry.name("a/others:1"), registries_conf=registry.conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "not_found"
    assert "linux/m68k" in failure["message"]


@pytest.mark.parametrize("name", ["a/absent:1", "a/whole:absent", f"a/whole@sha256:{'1' * 64}"])
def test_an_image_that_does_not_exist_is_not_found(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    registry.push(image_of("one"), "a/whole:1")

    with Worker(tmp_path, registry.name(name), registries_conf=registry.conf) as worker:
        failure = worker.failure()

    assert (failure["kind"], failure["message"]) == ("not_found", f"{registry.host} has no {name}")


@pytest.mark.parametrize(
    "auth",
    [
        {"username": "user", "password": "secret"},
        {"auth": basic_auth("user", "secret")},
        {"auth": basic_auth("user", "secret")[:10] + "\n" + basic_auth("user", "secret")[10:]},
        {"username": "user", "password": "secret", "server_address": "https://HOST/v2/"},
    ],
)
def test_a_registry_with_a_password_takes_that_of_the_call(
    tmp_path: Path, auth: dict[str, str]
) -> None:
    with Registry(tmp_path / "private", {"user": "secret"}) as private:
        image = image_of("private")
        name = private.push(image, "p/private:1")
        auth = {key: value.replace("HOST", private.host) for key, value in auth.items()}
        with Worker(tmp_path, name, registries_conf=private.conf, auth=auth) as worker:
            found = worker.expect("image")
            worker.fetch(*layers(found)[0])
            worker.expect("whole")


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {"username": "user", "password": "wrong"},
        {"username": "user", "password": "secret", "server_address": "other.example"},
    ],
)
def test_a_registry_with_a_password_refuses_others(
    tmp_path: Path, auth: dict[str, str] | None
) -> None:
    with Registry(tmp_path / "private", {"user": "secret"}) as private:
        name = private.push(image_of("private"), "p/private:1")
        with Worker(tmp_path, name, registries_conf=private.conf, auth=auth) as worker:
            failure = worker.failure()

    assert failure["kind"] == "unauthorized"
    assert "wrong" not in failure["message"]


def test_a_registry_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with Worker(tmp_path, "127.0.0.1:1/x:1") as worker:
        failure = worker.failure()

    assert failure["kind"] == "unavailable"
    assert "refused" in failure["message"]


def test_a_bad_name_and_a_bad_file_are_arguments(tmp_path: Path) -> None:
    bad = tmp_path / "bad.conf"
    bad.write_text("not = [toml")
    with Worker(tmp_path, "NO NAME") as worker:
        assert worker.failure()["kind"] == "argument"
    with Worker(tmp_path, "a.example/x", registries_conf=bad) as worker:
        failure = worker.failure()

    assert failure["kind"] == "argument"
    assert str(bad) in failure["message"]
