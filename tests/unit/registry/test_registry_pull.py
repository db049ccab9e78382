"""The choice of an image and the downloads, with sessions to a server of the test."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.registry import worker
from cri_shim.registry.connections import Connections
from cri_shim.registry.download import Download
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure
from cri_shim.registry.pull import Pull
from cri_shim.registry.reference import parse
from cri_shim.registry.request import MAX_LINE, Fetch, request
from cri_shim.registry.resolving import Image, Resolver
from cri_shim.registry.retry import Backoff
from cri_shim.registry.session import Session
from tests.fixtures.odd_registry import INDEX, OCI, OddRegistry, cut, digest_of, other, status

CONFIG = b'{"architecture": "amd64", "os": "linux"}'
DATA = b"layer" * 10_000


class Told(Events):
    """Keeps the events."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []

    def send(self, event: str, **values: object) -> None:
        self.all.append({"event": event, **values})

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.all]


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        yield registry


def described(content: bytes, /, **fields: object) -> dict[str, object]:
    return {"digest": digest_of(content), "size": len(content), **fields}


def manifest_of(config: bytes = CONFIG) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": described(config), "layers": None}).encode()


def index_of(*entries: dict[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode()


def serve(odd: OddRegistry, name: str, *documents: bytes, config: bytes = CONFIG) -> None:
    """Serve documents by digest; the first is what the tag names."""
    for document in reversed(documents):
        kind = INDEX if b'"manifests"' in document else OCI
        odd.serve(document, [config], kind, name)


def resolve(odd: OddRegistry, name: str, told: Told | None = None) -> Image:
    session = Session(Connections({}, 5, 1), Endpoint(odd.host, "x", "http"), lambda: None, 5)
    resolver = Resolver(told or Told(), "amd64", ("v2", "v1"), 5, sleep=lambda _: None)
    return resolver.image([parse(f"{odd.host}/{name}")], lambda _: [session])


def linux(variant: str = "", architecture: str = "amd64") -> dict[str, str]:
    return {"os": "linux", "architecture": architecture, "variant": variant}


def test_a_manifest_without_layers_is_an_image(odd: OddRegistry) -> None:
    serve(odd, "x", manifest_of())

    found = resolve(odd, "x")

    assert (found.manifest, found.config, found.index) == (manifest_of(), CONFIG, b"")
    assert found.digest == found.manifest_digest == digest_of(manifest_of())


def test_the_nearest_variant_is_taken_in_an_index_of_indexes(odd: OddRegistry) -> None:
    configs = [json.dumps({"architecture": "amd64", "n": n}).encode() for n in range(3)]
    one, two, three = map(manifest_of, configs)
    inner = index_of(
        described(one, platform=linux("v1")),
        described(two, platform=linux("v2")),
        described(three, platform=linux("v3")),
    )
    outer = index_of(described(inner))
    serve(odd, "x", outer, inner, one, two, three, config=configs[1])

    found = resolve(odd, "x")

    assert found.manifest == two
    assert (found.digest, found.index) == (digest_of(outer), outer)


def test_an_entry_without_a_platform_is_taken_if_its_config_is_for_this_machine(
    odd: OddRegistry,
) -> None:
    foreign = b'{"architecture": "m68k", "os": "linux"}'
    serve(odd, "x", index_of(described(manifest_of(foreign)), described(manifest_of())))
    odd.serve(manifest_of(foreign), [foreign], OCI, "x")
    odd.serve(manifest_of(), [CONFIG], OCI, "x")
    serve(odd, "x", index_of(described(manifest_of(foreign)), described(manifest_of())))

    assert resolve(odd, "x").manifest == manifest_of()


def test_an_index_within_itself_ends(odd: OddRegistry) -> None:
    inner = index_of()
    for _ in range(8):
        outer = index_of(described(inner))
        serve(odd, "x", outer, inner)
        inner = outer

    with pytest.raises(Failure, match="deeper than 4 levels") as e:
        resolve(odd, "x")

    assert e.value.kind == "invalid"


def test_an_index_of_other_machines_names_them(odd: OddRegistry) -> None:
    serve(odd, "x", index_of(described(manifest_of(), platform=linux(architecture="m68k"))))

    with pytest.raises(Failure, match="linux/m68k") as e:
        resolve(odd, "x")

    assert e.value.kind == "not_found"


def test_a_config_inside_the_manifest_is_not_fetched(odd: OddRegistry) -> None:
    inside = described(b"{}", data="e30=")
    serve(odd, "x", json.dumps({"config": inside, "layers": []}).encode())

    assert resolve(odd, "x").config == b"{}"
    assert len(odd.seen) == 1


@pytest.mark.parametrize(
    ("end", "data", "words"),
    [
        ("/manifests/latest", b'{"config": {}, "layers": []}', "no valid sha256"),
        (digest_of(CONFIG), b"x" * len(CONFIG), "came with the digest"),
    ],
)
def test_damaged_content_is_invalid(odd: OddRegistry, end: str, data: bytes, words: str) -> None:
    serve(odd, "x", manifest_of())
    odd.plan(end, other(data), always=True)

    with pytest.raises(Failure, match=words) as e:
        resolve(odd, "x")

    assert e.value.kind == "invalid"


@pytest.mark.parametrize("name", ["x", f"x@{digest_of(manifest_of())}"])
def test_a_manifest_with_another_digest_is_refused(odd: OddRegistry, name: str) -> None:
    serve(odd, "x", manifest_of())
    answer = status(200, manifest_of(b"{}"), Docker_Content_Digest=digest_of(manifest_of()))
    odd.plan("/manifests/latest", answer)
    odd.plan(f"/manifests/{digest_of(manifest_of())}", answer)

    with pytest.raises(Failure, match="damaged on the way"):
        resolve(odd, name)


def test_a_manifest_is_asked_for_three_times(odd: OddRegistry) -> None:
    serve(odd, "x", manifest_of())
    told = Told()
    odd.plan("/manifests/latest", status(503), cut(5))

    assert resolve(odd, "x", told).manifest == manifest_of()
    assert [(event["event"], event["attempt"]) for event in told.all] == [
        ("retry", 2),
        ("retry", 3),
    ]
    odd.plan("/manifests/latest", status(503), always=True)
    with pytest.raises(Failure, match="HTTP 503"):
        resolve(odd, "x")


def test_a_server_that_refuses_connections_is_tried_again_only_if_it_is_the_last(
    odd: OddRegistry,
) -> None:
    serve(odd, "x", manifest_of())
    told = Told()
    connections = Connections({}, 5, 1)
    dead, alive = (
        Session(connections, Endpoint(host, "x", "http"), lambda: None, 5)
        for host in ("127.0.0.1:1", odd.host)
    )
    resolver = Resolver(told, "amd64", (), 5, sleep=lambda _: None)
    name = parse(f"{odd.host}/x")

    assert resolver.image([name], lambda _: [dead, alive]).manifest == manifest_of()
    assert told.kinds() == []
    odd.plan("/manifests/latest", status(404))
    with pytest.raises(Failure, match="Connection refused"):
        resolver.image([name], lambda _: [alive, dead])
    assert told.kinds() == ["retry", "retry"]


def test_the_last_failure_of_several_names_counts(odd: OddRegistry) -> None:
    session = Session(Connections({}, 5, 1), Endpoint(odd.host, "x", "http"), lambda: None, 5)
    resolver = Resolver(Told(), "amd64", (), 5, sleep=lambda _: None)
    odd.plan("/manifests/1", status(403))

    with pytest.raises(Failure, match=r"has no x:2 \(before that: .* denies x:1 .*HTTP 403") as e:
        resolver.image([parse("a.example/x:1"), parse("b.example/x:2")], lambda _: [session])

    assert e.value.kind == "not_found"


def download(odd: OddRegistry, told: Told, directory: Path) -> Download:
    odd.serve(manifest_of(), [DATA], OCI, "x")
    session = Session(Connections({}, 5, 1), Endpoint(odd.host, "x", "http"), lambda: None, 5)
    return Download(
        told, [session], directory, digest_of(DATA), len(DATA), 5, tries=lambda: Backoff(2)
    )


def test_a_download_tells_its_beginning_and_its_end(odd: OddRegistry, tmp_path: Path) -> None:
    told = Told()
    (tmp_path / "blobs").mkdir()
    one = download(odd, told, tmp_path / "blobs")

    one.run()
    one.tell()

    assert [event.get("done") for event in told.all] == [0, len(DATA), None]
    assert told.kinds() == ["blob", "blob", "whole"]
    assert one.ended.is_set()
    (file,) = (tmp_path / "blobs").iterdir()
    assert (file.name, file.read_bytes()) == (hashlib.sha256(DATA).hexdigest(), DATA)


def test_a_download_that_is_cancelled_before_it_starts_does_nothing(
    odd: OddRegistry, tmp_path: Path
) -> None:
    told = Told()
    one = download(odd, told, tmp_path / "none")

    one.cancel()
    one.run()

    assert (told.all, odd.seen, one.ended.is_set()) == ([], [], True)


def pull_of(odd: OddRegistry, told: Told, directory: Path) -> Pull:
    line = {"image": f"{odd.host}/x", "registries_conf": str(odd.conf), "blobs": str(directory)}
    line |= {"auth_file": str(directory / "none"), "architecture": "amd64"}
    return Pull(request(json.dumps(line).encode()), told, {})


def test_a_pull_finds_an_image_and_downloads_what_is_ordered(
    odd: OddRegistry, tmp_path: Path
) -> None:
    serve(odd, "x", manifest_of())
    odd.serve(manifest_of(), [DATA, CONFIG], OCI, "x")
    told, directory = Told(), tmp_path / "blobs"
    directory.mkdir()
    pull = pull_of(odd, told, directory)

    with pytest.raises(Failure, match="before the image"):
        pull.fetch(Fetch(digest_of(DATA), len(DATA)))
    pull.resolve()
    pull.fetch(Fetch(digest_of(DATA), len(DATA)))
    pull.fetch(Fetch(digest_of(DATA), len(DATA)))
    assert pull._queue.qsize() == 1
    pull._queue.get().run()
    pull.cancel("sha256:unknown")
    pull.drop()

    assert told.kinds() == ["image", "blob", "blob", "whole"]
    assert told.all[0]["reference"] == f"{odd.host}/x:latest"
    assert len(list(directory.iterdir())) == 1


def test_a_bad_configuration_fails_the_pull(odd: OddRegistry, tmp_path: Path) -> None:
    odd.conf.write_text("not = [toml")

    with pytest.raises(Failure, match="correct it") as e:
        pull_of(odd, Told(), tmp_path)

    assert e.value.kind == "argument"


def test_a_line_of_the_worker_s_input_is_limited() -> None:
    assert worker._line(io.BytesIO(b"one\ntwo\n")) == b"one\n"
    with pytest.raises(Failure, match="more than"):
        worker._line(io.BytesIO(b"x" * (MAX_LINE + 1)))
