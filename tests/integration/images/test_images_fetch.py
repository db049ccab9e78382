"""The daemon's half of a pull: beside a worker that plays its part step by step."""

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import (
    CriShimError,
    InvalidArgument,
    NotFound,
    RegistryUnavailable,
    ToolFailed,
    Unavailable,
)
from cri_shim.images import pull, query
from cri_shim.store.fetching import new_layers, worker
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.manifest import host_architecture
from tests.fixtures.images import Image, Tar, tree
from tests.fixtures.processes import children
from tests.fixtures.waiting import until
from tests.integration.images.conftest import Open

NAME = "registry.example/team/app:1"
Step = list[Any]
Play = Callable[..., Any]


@pytest.fixture
async def play(
    open_images: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """A function that opens a store whose workers do these steps."""
    monkeypatch.setattr(worker, "WORKER", "tests.fixtures.fetch_worker")

    async def open_(steps: list[Step], **options: object) -> Engine:
        plan = tmp_path / "steps.json"
        plan.write_text(json.dumps(steps))
        fetcher = Fetcher(architecture=host_architecture(), registries_conf=plan, standby=0)
        return await open_images(fetcher=fetcher, **options)

    return open_


def replay(engine: Engine, steps: list[Step]) -> None:
    """Give the next workers other steps."""
    plan = engine.images.fetcher._registries_conf
    assert plan is not None
    plan.write_text(json.dumps(steps))


def image_of(*names: str, **options: Any) -> Image:
    return Image([Tar().file(name, name.encode() * 5000) for name in names], **options)


def found(image: Image, **changed: object) -> Step:
    answer = {
        "event": "image",
        "reference": NAME,
        "digest": image.digest,
        "manifest_digest": image.digest,
        "host": "registry.example",
        "index": "",
        "manifest": base64.b64encode(image.manifest).decode(),
        "config": base64.b64encode(image.config_bytes).decode(),
    }
    return ["say", answer | changed]


def digests(image: Image) -> list[str]:
    return [layer["digest"] for layer in json.loads(image.manifest)["layers"]]


def append(digest: str, data: bytes) -> Step:
    return ["append", digest, base64.b64encode(data).decode()]


def arrival(image: Image) -> list[Step]:
    """Every blob comes in two pieces, after all were asked for."""
    steps: list[Step] = [["await", "fetch"] for _ in image.blobs]
    for digest, blob in zip(digests(image), image.blobs, strict=True):
        half = len(blob) // 2
        steps += [append(digest, blob[:half]), append(digest, blob[half:]), ["whole", digest]]
    return steps


def files_below(engine: Engine) -> list[str]:
    root = engine.images.root
    places = [root / "images", root / "layers"]
    return [name for top in places for _, _, own in os.walk(top) for name in own]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
async def test_layers_are_unpacked_from_blobs_that_come_piece_by_piece(
    play: Play, compression: str, tmp_path: Path
) -> None:
    image = image_of("one", "two", compression=(compression,))
    engine = await play([found(image), *arrival(image)])

    assert await pull.pull(engine, NAME) == image.id

    (only,) = list(query.listed(engine))
    assert list(only.repo_tags) == [NAME]
    assert list(only.repo_digests) == [f"registry.example/team/app@{image.digest}"]
    for name, diff_id in zip(("one", "two"), image.true_diff_ids, strict=True):
        with engine.images.layers.opened(diff_id) as directory:
            assert set(tree(directory)) == {name}
    assert children() == []


async def test_files_appear_while_the_blob_is_still_coming(play: Play, tmp_path: Path) -> None:
    image = Image(
        [Tar().file("early", b"e" * 600_000).file("late", b"l" * 600_000)], compression=("none",)
    )
    (digest,), (blob,) = digests(image), image.blobs
    steps = [found(image), ["await", "fetch"], append(digest, blob[:700_000])]
    more = tmp_path / "more"
    engine = await play(
        [*steps, ["until", str(more)], append(digest, blob[700_000:]), ["whole", digest]]
    )

    pulling = asyncio.create_task(pull.pull(engine, NAME))
    coming = engine.images.layers.directory
    files = [".new-*/early", ".new-*.erofs"]
    await until(lambda: any(f.stat().st_size > 500_000 for n in files for f in coming.glob(n)))
    assert engine.images.layers.present() == set()
    more.touch()

    assert await pulling == image.id


async def test_a_layer_whose_blob_begins_again_is_unpacked_from_the_new_one(play: Play) -> None:
    image = image_of("right")
    (digest,), (blob,) = digests(image), image.blobs
    steps = [
        found(image), ["await", "fetch"],
        append(digest, b"\x1f\x8b, but damaged after that"), ["restart", digest],
        append(digest, blob[:20]), ["restart", digest],
        append(digest, blob), ["whole", digest],
    ]  # fmt: skip
    engine = await play(steps)

    assert await pull.pull(engine, NAME) == image.id
    with engine.images.layers.opened(image.true_diff_ids[0]) as directory:
        assert set(tree(directory)) == {"right"}


async def test_a_restart_just_before_the_end_does_not_take_the_old_bytes(play: Play) -> None:
    image, other = image_of("right"), image_of("wrong")
    (digest,), (blob,) = digests(image), image.blobs
    steps = [found(image), ["await", "fetch"], append(digest, other.blobs[0])]
    steps += [["restart", digest], append(digest, blob), ["whole", digest]]
    engine = await play(steps)

    assert await pull.pull(engine, NAME) == image.id


KINDS: dict[str, type[CriShimError]] = {
    "not_found": NotFound,
    "unavailable": RegistryUnavailable,
    "stalled": RegistryUnavailable,
    "no_space": Unavailable,
    "unauthorized": ToolFailed,
    "denied": ToolFailed,
    "invalid": ToolFailed,
    "unsupported": ToolFailed,
    "argument": InvalidArgument,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "in the middle of a blob"])
async def test_each_kind_of_failure_is_an_error_of_its_kind_and_leaves_nothing(
    play: Play, kind: str, late: bool
) -> None:
    image = image_of("never whole")
    (digest,), (blob,) = digests(image), image.blobs
    begun = [found(image), ["await", "fetch"], append(digest, blob[:50])] if late else []
    failed = {"event": "failed", "kind": kind, "message": "it said: no"}
    engine = await play([*begun, ["say", failed | {"digest": digest if late else ""}]])

    with pytest.raises(KINDS[kind], match="it said: no") as error:
        await pull.pull(engine, NAME)

    assert type(error.value) is KINDS[kind]
    assert files_below(engine) == []
    assert children() == []


BROKEN: dict[str, tuple[list[Step], str]] = {
    "it dies": ([["complain", "Traceback:\nBoom: at line 1"], ["exit", 1]], "Boom: at line 1"),
    "it ends without a word": ([["exit", 0]], "exit status 0"),
    "no JSON": ([["raw", "hello\n"]], "no event"),
    "JSON that is no event": ([["raw", "[1]\n"]], "no event"),
    "an event without its members": ([["say", {"event": "failed"}]], "no event"),
    "an image without its members": ([["say", {"event": "image"}]], "described the image wrongly"),
    "a line without an end": ([["raw", "x" * (25 << 20)]], "more than 24 MiB"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_worker_that_is_broken_is_named_in_one_sentence(play: Play, how: str) -> None:
    steps, sentence = BROKEN[how]
    engine = await play(steps)

    with pytest.raises(ToolFailed, match=sentence) as error:
        await pull.pull(engine, NAME)

    assert NAME in str(error.value)
    assert files_below(engine) == []
    assert children() == []


@pytest.mark.parametrize("how", ["it dies", "no JSON"])
async def test_a_worker_that_breaks_during_a_blob_is_named_too(play: Play, how: str) -> None:
    image = image_of("never whole")
    (digest,), (blob,) = digests(image), image.blobs
    steps, sentence = BROKEN[how]
    engine = await play([found(image), ["await", "fetch"], append(digest, blob[:50]), *steps])

    with pytest.raises(ToolFailed, match=sentence):
        await pull.pull(engine, NAME)

    assert files_below(engine) == []
    assert children() == []


LIES: dict[str, dict[str, str]] = {
    "another manifest than was named": {"digest": "sha256:" + "1" * 64},
    "another config": {"config": base64.b64encode(b"{}").decode()},
    "an index that is not the named one": {"index": base64.b64encode(b"{}").decode()},
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_does_not_have_its_digest_is_refused(play: Play, lie: str) -> None:
    engine = await play([found(image_of("x"), **LIES[lie])])

    with pytest.raises(ToolFailed):
        await pull.pull(engine, NAME)

    assert files_below(engine) == []


async def test_a_pull_that_is_given_up_leaves_no_process_and_no_file(
    play: Play, tmp_path: Path
) -> None:
    image = image_of("given up")
    (digest,), (blob,) = digests(image), image.blobs
    mark = tmp_path / "mark"
    steps = [found(image), ["await", "fetch"], append(digest, blob[:50]), ["touch", str(mark)]]
    engine = await play(steps)

    pulling = asyncio.create_task(pull.pull(engine, NAME))
    await until(lambda: mark.exists() and len(children()) == 2)
    pulling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await pulling
    await until(lambda: not children())
    await engine.work.drain(5)
    assert files_below(engine) == []


async def test_the_label_of_an_image_does_not_overrule_an_index_or_a_digest(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    odd = image_of("odd", architecture="m68k")
    by_digest = {"reference": f"registry.example/team/app@{odd.digest}"}
    engine = await play([found(odd, **by_digest), *arrival(odd)])

    assert await pull.pull(engine, by_digest["reference"]) == odd.id
    assert "m68k" in caplog.text
    replay(engine, [found(odd)])
    with pytest.raises(ToolFailed, match="m68k"):
        await pull.pull(engine, NAME)


async def test_layers_of_a_failed_pull_are_there_for_the_next_try(play: Play) -> None:
    image = image_of("first", "second")
    one, two = digests(image)
    failed = {"event": "failed", "digest": two, "kind": "unavailable", "message": "cut off"}
    steps: list[Step] = [found(image), ["await", "fetch"], ["await", "fetch"]]
    steps += [append(one, image.blobs[0]), ["whole", one], ["await", "never"]]
    engine = await play(steps, grace=60)
    pulling = asyncio.create_task(pull.pull(engine, NAME))
    await until(lambda: engine.images.catalog.layers())
    pulling.cancel()
    await asyncio.wait([pulling])
    await engine.work.drain(5)

    replay(engine, [found(image), ["await", "fetch"], ["say", failed]])
    with pytest.raises(RegistryUnavailable, match="cut off"):
        await pull.pull(engine, NAME)
    assert engine.images.layers.present() == {image.true_diff_ids[0]}
    fetched = [["await", "fetch"], append(two, image.blobs[1]), ["whole", two]]
    replay(engine, [found(image), *fetched])
    assert await pull.pull(engine, NAME) == image.id
    assert engine.images.grace.held == set()


async def test_layers_of_a_failed_pull_are_collected_after_the_grace(play: Play) -> None:
    image = image_of("first", "second")
    one, _ = digests(image)
    steps: list[Step] = [found(image), ["await", "fetch"], ["await", "fetch"]]
    steps += [append(one, image.blobs[0]), ["whole", one], ["await", "never"]]
    engine = await play(steps, grace=0.2)
    pulling = asyncio.create_task(pull.pull(engine, NAME))
    await until(lambda: engine.images.catalog.layers())
    pulling.cancel()
    await asyncio.wait([pulling])

    await until(lambda: not engine.images.catalog.layers())
    assert engine.images.layers.present() == set()


async def test_equal_layers_of_two_pulls_are_fetched_once(play: Play, tmp_path: Path) -> None:
    both = image_of("common")
    (digest,), (blob,) = digests(both), both.blobs
    mark, more = tmp_path / "mark", tmp_path / "more"
    begun = [found(both), ["await", "fetch"], append(digest, blob[:50]), ["touch", str(mark)]]
    engine = await play(
        [*begun, ["until", str(more)], append(digest, blob[50:]), ["whole", digest]]
    )
    first = asyncio.create_task(pull.pull(engine, NAME))
    await until(lambda: mark.exists())

    other = NAME.replace("team/app", "team/other")
    replay(engine, [found(both, reference=other)])  # it has no blob to give
    second = asyncio.create_task(pull.pull(engine, other))
    await until(lambda: "shared" in {p.layers[0].state for p in engine.images.pulls if p.layers})
    more.touch()

    assert await first == await second == both.id


async def test_a_pull_is_seen_with_who_asked_and_its_bytes(play: Play, tmp_path: Path) -> None:
    image = image_of("seen", "also")
    one, _ = digests(image)
    half, go = len(image.blobs[0]) // 2, tmp_path / "go"
    steps: list[Step] = [found(image), ["await", "fetch"], ["await", "fetch"]]
    steps += [append(one, image.blobs[0][:half]), ["until", str(go)]]
    late = arrival(image)[2:]
    retry = {"event": "retry", "digest": one, "host": "mirror", "attempt": 2, "reason": "cut"}
    steps += [["say", retry | {"wait": 0.1}], ["restart", one], *late]
    engine = await play(steps)
    pulls = engine.images.pulls

    asked = [asyncio.create_task(pull.pull(engine, NAME, None, who)) for who in ("a/b", "c/d", "")]
    async with asyncio.timeout(20):
        while not (now := list(pulls)) or now[0].done < half:
            await pulls.news(pulls.changes)
    (seen,) = now
    assert seen.total == image.size
    assert seen.asked_by == ["a/b", "c/d"]
    assert seen.layers[0].state == "downloading"
    done = [seen.done]
    go.touch()
    while list(pulls):
        await pulls.news(pulls.changes)
        done.append(seen.done)

    assert {await one for one in asked} == {image.id}
    assert done == sorted(done)
    assert done[-1] == image.size
    assert (seen.layers[0].attempt, seen.layers[0].host) == (2, "mirror")
    assert seen.trouble == "cut; next try in 0 s"
    assert {layer.state for layer in seen.layers} == {"done"}


async def test_a_layer_that_another_pull_brings_too_slowly_is_fetched_by_both(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_layers, "PATIENCE_S", 0.2)
    image = image_of("common")
    (digest,), (blob,) = digests(image), image.blobs
    mark, more = tmp_path / "mark", tmp_path / "more"
    slow = [found(image), ["await", "fetch"], append(digest, blob[:50]), ["touch", str(mark)]]
    engine = await play([*slow, ["until", str(more)], append(digest, blob[50:]), ["whole", digest]])
    first = asyncio.create_task(pull.pull(engine, NAME))
    await until(mark.exists)

    other = NAME.replace("team/app", "team/other")
    replay(engine, [found(image, reference=other), *arrival(image)])
    assert await pull.pull(engine, other) == image.id
    assert not first.done()
    more.touch()

    assert await first == image.id
    (only,) = list(query.listed(engine))
    assert sorted(only.repo_tags) == [NAME, other]
    assert engine.images.layers.present() == set(image.true_diff_ids)
    await until(lambda: not list(engine.images.layers.directory.glob(".*")))


async def test_pulls_at_once_are_limited_for_each_registry(play: Play, tmp_path: Path) -> None:
    image, mark, more = image_of("one"), tmp_path / "mark", tmp_path / "more"
    engine = await play([["touch", str(mark)], ["until", str(more)]], pulls_at_once=1)
    first = asyncio.create_task(pull.pull(engine, NAME))
    await until(mark.exists)
    second_name, elsewhere = NAME.replace(":1", ":2"), NAME.replace("registry.", "other.")

    second = asyncio.create_task(pull.pull(engine, second_name))
    replay(engine, [found(image, reference=elsewhere), *arrival(image)])
    assert await pull.pull(engine, elsewhere) == image.id
    assert len(list(engine.images.pulls)) == 2
    assert len(children()) == 1

    replay(engine, [found(image, reference=second_name)])
    first.cancel()
    assert await second == image.id
