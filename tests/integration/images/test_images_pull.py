"""Pulling with the real skopeo from a real registry."""

# ruff: noqa: PTH208

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from cri_shim import faults
from cri_shim.aio.outside import look
from cri_shim.engine import Engine
from cri_shim.errors import (
    NotFound,
    RegistryUnavailable,
    SignatureValidationFailed,
    ToolFailed,
)
from cri_shim.faults import InjectedFault
from cri_shim.images import pull, query, remove
from cri_shim.pb import api_pb2 as api
from cri_shim.state.memory import MemoryStore
from cri_shim.store.trust import policies
from tests.fixtures.image_engine import close, engine_of, recover
from tests.fixtures.images import Image, Registry, Tar, busybox_image, tree
from tests.fixtures.processes import command_lines_until
from tests.integration.images.conftest import Open


def image_of(*names: str, **options: object) -> Image:
    """An image with one layer a name, each with a file of that name."""
    layers = [Tar().directory("d").file(f"d/{name}", name.encode() * 100) for name in names]
    return Image(layers, **options)  # type: ignore[arg-type]


def files_below(engine: Engine) -> list[str]:
    root = engine.images.root
    places = [root / "images", root / "layers"]
    # Not rglob: what is deleted in the background may go as we look.
    found = (Path(where, name) for top in places for where, _, own in os.walk(top) for name in own)
    return sorted(str(path.relative_to(root)) for path in found)


async def test_a_pulled_image_is_shown_by_id_tag_and_digest_alike(
    engine: Engine, registry: Registry
) -> None:
    image = busybox_image(config={"User": "1000:100", "Cmd": ["sh"]})
    name = registry.push(image, "a/busybox:1")

    id = await pull.pull(engine, name)

    by_digest = f"{registry.name('a/busybox')}@{image.digest}"
    expected, _ = query.status(engine, id)
    assert expected is not None
    assert expected.id == id == image.id
    assert list(expected.repo_tags) == [name]
    assert list(expected.repo_digests) == [by_digest]
    assert expected.size == engine.images.usage().used_bytes > image.size
    assert expected.uid.value == 1000
    assert expected.username == ""
    for reference in (f"sha256:{id}", name, by_digest, f"{name}@{image.digest}", id[:12]):
        assert query.status(engine, reference)[0] == expected
    assert list(query.listed(engine)) == [expected]


async def test_the_layers_on_disk_are_what_was_packed(engine: Engine, registry: Registry) -> None:
    tar = Tar().directory("bin").file("bin/su", b"x", mode=0o4755).whiteout("etc/old").bytes()
    image = Image([busybox_image().layers[0], tar], compression=("gzip", "zstd"))

    await pull.pull(engine, registry.push(image, "b/layers:1"))

    with engine.images.layers.opened(image.true_diff_ids[1]) as layer:
        assert set(tree(layer)) == {"bin", "bin/su", "etc", "etc/old"}
        assert (layer / "bin/su").stat().st_mode & 0o7777 == 0o4755


async def test_blobs_of_layers_are_dropped_and_manifest_and_config_stay(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("one", "two")

    await pull.pull(engine, registry.push(image, "c/blobs:1"))

    blobs = engine.images.blobs.directory
    assert sorted(os.listdir(blobs)) == sorted([image.id, image.digest.removeprefix("sha256:")])
    assert os.listdir(engine.images.layouts) == []


async def test_blobs_stay_where_that_is_wanted(open_images: Open, registry: Registry) -> None:
    engine = await open_images(keep_blobs=True)
    image = image_of("kept")

    name = registry.push(image, "c/kept:1")
    await pull.pull(engine, name)
    await pull.pull(engine, name)

    blob = engine.images.blobs.path(json.loads(image.manifest)["layers"][0]["digest"])
    assert blob.read_bytes() == image.blobs[0]


async def test_layers_that_are_here_are_not_transferred_again(
    engine: Engine, registry: Registry
) -> None:
    base, more = image_of("d-base"), image_of("d-base", "more")
    await pull.pull(engine, registry.push(base, "d/base:1"))
    name = registry.push(more, "d/more:1")
    registry.break_blob(json.loads(more.manifest)["layers"][0]["digest"], b"not to be fetched")

    id = await pull.pull(engine, name)

    assert id == more.id


async def test_an_image_pulled_by_digest_only_has_no_tag(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("by digest")
    registry.push(image, "e/digest:1")
    reference = f"{registry.name('e/digest')}@{image.digest}"

    await pull.pull(engine, reference)

    (only,) = list(query.listed(engine))
    assert list(only.repo_tags) == []
    assert list(only.repo_digests) == [reference]


async def test_one_image_under_several_names_is_one_entry(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("several")
    registry.push(image, "f/x:1", "f/x:2", "g/y:1")

    ids = {await pull.pull(engine, registry.name(name)) for name in ("f/x:1", "f/x:2", "g/y:1")}

    (only,) = list(query.listed(engine))
    assert ids == {only.id}
    assert sorted(only.repo_tags) == sorted(map(registry.name, ("f/x:1", "f/x:2", "g/y:1")))
    assert len(only.repo_digests) == 2


async def test_a_tag_that_moved_moves_here_too(engine: Engine, registry: Registry) -> None:
    old, new = image_of("old"), image_of("new")
    name = registry.push(old, "h/moving:1")
    await pull.pull(engine, name)
    registry.push(new, "h/moving:1")

    await pull.pull(engine, name)

    status, _ = query.status(engine, name)
    former, _ = query.status(engine, old.id)
    assert status is not None
    assert former is not None
    assert status.id == new.id
    assert list(former.repo_tags) == []


async def test_of_a_manifest_list_this_machine_s_image_is_taken_under_the_list_s_digest(
    engine: Engine, registry: Registry
) -> None:
    own = image_of("own")
    other = image_of("other", architecture="m68k")
    digest = registry.push_list({"m68k": other, engine.images.architecture: own}, "i/list:1")

    id = await pull.pull(engine, registry.name("i/list:1"))

    status, _ = query.status(engine, f"{registry.name('i/list')}@{digest}")
    assert status is not None
    assert status.id == id == own.id


@pytest.mark.parametrize("name", ["j/single:1", "j/list:1"])
async def test_an_image_for_other_machines_is_refused_clearly(
    engine: Engine, registry: Registry, name: str
) -> None:
    other = image_of("other", architecture="m68k")
    registry.push(other, "j/single:1")
    registry.push_list({"m68k": other}, "j/list:1")

    with pytest.raises((ToolFailed, NotFound), match=engine.images.architecture):
        await pull.pull(engine, registry.name(name))

    assert files_below(engine) == []


async def test_a_docker_image_keeps_its_id_and_digest(engine: Engine, registry: Registry) -> None:
    image = image_of("docker", docker=True)
    name = registry.push(image, "k/docker:1")

    assert await pull.pull(engine, name) == image.id
    assert query.status(engine, f"{registry.name('k/docker')}@{image.digest}")[0] is not None


async def test_an_image_without_layers_is_an_image(engine: Engine, registry: Registry) -> None:
    image = Image([])

    id = await pull.pull(engine, registry.push(image, "k/empty:1"))

    assert id == image.id


async def test_a_user_name_is_a_name_and_none_is_unset(engine: Engine, registry: Registry) -> None:
    await pull.pull(engine, registry.push(image_of("u", config={"User": "app:app"}), "l/u:1"))
    await pull.pull(engine, registry.push(image_of("n"), "l/n:1"))

    named, _ = query.status(engine, registry.name("l/u:1"))
    unset, info = query.status(engine, registry.name("l/n:1"), verbose=True)

    assert named is not None
    assert unset is not None
    assert (named.username, named.HasField("uid")) == ("app", False)
    assert (unset.username, unset.HasField("uid")) == ("", False)
    assert json.loads(info["info"])["imageSpec"]["os"] == "linux"


async def test_a_short_name_is_looked_for_in_the_searched_registries(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    search = ["127.0.0.1:1", registry.host]
    conf = tmp_path / "registries.conf"
    conf.write_text(
        f"unqualified-search-registries = {json.dumps(search)}\n{registry.conf.read_text()}"
    )
    engine = await open_images(search=search, conf=conf)
    image = image_of("short")
    registry.push(image, "short:latest")

    assert await pull.pull(engine, "short") == image.id
    assert query.status(engine, "short")[0] is not None


async def test_equal_pulls_share_one_transfer(engine: Engine, registry: Registry) -> None:
    image = image_of("shared", "much")
    name = registry.push(image, "m/shared:1")

    ids = await asyncio.gather(*(pull.pull(engine, name) for _ in range(5)))

    assert set(ids) == {image.id}
    assert files_below(engine) != []


async def test_different_pulls_with_common_layers_run_side_by_side(
    engine: Engine, registry: Registry
) -> None:
    all_of = [image_of("common", "base", f"own{i}") for i in range(6)]
    names = [registry.push(image, f"n/side{i}:1") for i, image in enumerate(all_of)]

    ids = await asyncio.gather(*(pull.pull(engine, name) for name in names))

    assert ids == [image.id for image in all_of]
    assert len(list(engine.images.layers.directory.iterdir())) == 8


@pytest.mark.parametrize(
    "auth",
    [
        api.AuthConfig(username="user", password="secret"),
        api.AuthConfig(auth="dXNlcjpzZWNyZXQ="),
    ],
)
async def test_credentials_reach_the_registry_and_no_command_line(
    open_images: Open, tmp_path: Path, auth: api.AuthConfig
) -> None:
    with Registry(tmp_path / "private", {"user": "secret"}) as private:
        image = image_of("private")
        name = private.push(image, "p/private:1")
        engine = await open_images(conf=private.conf)
        seen: list[str] = []
        look = threading.Thread(target=lambda: seen.extend(command_lines_until(over)))
        over = threading.Event()
        look.start()
        try:
            assert await pull.pull(engine, name, auth) == image.id
            with pytest.raises(ToolFailed, match="for a client without credentials"):
                await pull.pull(engine, name)
            with pytest.raises(ToolFailed, match="credentials"):
                await pull.pull(engine, name, api.AuthConfig(username="user", password="wrong"))
        finally:
            over.set()
            look.join()
    assert any("cri_shim.registry.worker" in line for line in seen)
    assert not any("secret" in line or "dXNlcjpzZWNyZXQ=" in line for line in seen)


async def test_registries_conf_may_send_a_name_elsewhere_by_mirror_or_location(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    image = image_of("elsewhere")
    registry.push(image, "elsewhere/app:1")
    conf = tmp_path / "registries.conf"
    conf.write_text(f"""
        [[registry]]
        prefix = "moved.invalid/team"
        location = "{registry.host}/elsewhere"
        insecure = true
        [[registry]]
        location = "mirrored.invalid"
        [[registry.mirror]]
        location = "{registry.host}/elsewhere"
        insecure = true
        [[registry]]
        location = "blocked.invalid"
        blocked = true
    """)
    engine = await open_images(conf=conf)

    assert await pull.pull(engine, "moved.invalid/team/app:1") == image.id
    assert await pull.pull(engine, "mirrored.invalid/app:1") == image.id
    with pytest.raises(ToolFailed, match="blocked"):
        await pull.pull(engine, "blocked.invalid/app:1")
    (only,) = list(query.listed(engine))
    assert sorted(only.repo_tags) == ["mirrored.invalid/app:1", "moved.invalid/team/app:1"]


async def test_a_registry_of_the_loopback_interface_may_be_plain_unless_an_entry_forbids_it(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    image = image_of("plain")
    registry.push(image, "plain/app:1")
    conf = tmp_path / "registries.conf"
    conf.write_text("")
    engine = await open_images(conf=conf)

    assert await pull.pull(engine, f"localhost:{registry.port}/plain/app:1") == image.id
    assert await pull.pull(engine, registry.name("plain/app:1")) == image.id

    conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = false\n')
    with pytest.raises(RegistryUnavailable, match="speaks plain HTTP, not TLS"):
        await pull.pull(engine, registry.name("plain/app:1"))


async def test_a_registry_that_is_not_there_is_unavailable(engine: Engine) -> None:
    with pytest.raises(RegistryUnavailable, match=r"^RegistryUnavailable: .*refused"):
        await pull.pull(engine, "127.0.0.1:1/x:1")


async def test_an_image_the_registry_does_not_have_is_not_found(
    engine: Engine, registry: Registry
) -> None:
    registry.push(image_of("present"), "q/present:1")

    with pytest.raises(NotFound):
        await pull.pull(engine, registry.name("q/absent:1"))
    with pytest.raises(NotFound):
        await pull.pull(engine, registry.name("q/present:2"))


async def test_pulls_are_counted_by_result(engine: Engine, registry: Registry) -> None:
    image = image_of("counted")
    name = registry.push(image, "pull/counted:1")

    await pull.pull(engine, name)
    await pull.pull(engine, name)
    with pytest.raises(NotFound):
        await pull.pull(engine, registry.name("pull/absent:1"))

    told = engine.images.pulls.counters.facts()
    assert {result: n for result, n in told["pulls"].items() if n} == {"ok": 2, "not_found": 1}
    assert told["seconds"]["ok"] > 0
    described = len(image.manifest) + len(image.config_bytes)
    assert told["bytes"] == 2 * described + len(image.blobs[0])
    assert (told["layersFetched"], told["layersHere"]) == (1, 1)


async def test_a_pull_reads_the_policy_once(
    open_images: Open, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    engine = await open_images(policy=policy)
    read = []

    async def counted(what: str, *call: Any) -> Any:
        read.append(what)
        return await look(what, *call)

    monkeypatch.setattr(policies, "look", counted)

    await pull.pull(engine, registry.push(image_of("policy"), "pull/policy:1"))

    assert read == [str(policy)]


async def test_what_the_policy_refuses_is_a_signature_failure(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "reject"}]}')
    engine = await open_images(policy=policy)

    with pytest.raises(SignatureValidationFailed, match=r"^SignatureValidationFailed: "):
        await pull.pull(engine, registry.push(image_of("refused"), "r/refused:1"))


async def test_a_blob_with_other_content_is_refused_and_nothing_stays(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("damaged on the way")
    name = registry.push(image, "s/damaged:1")
    registry.break_blob(
        json.loads(image.manifest)["layers"][0]["digest"], image.blobs[0][:-1] + b"?"
    )

    with pytest.raises(ToolFailed):
        await pull.pull(engine, name)

    assert list(query.listed(engine)) == []
    assert files_below(engine) == []


async def test_an_image_whose_config_lies_about_its_layers_is_refused(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("honest", "liar", diff_ids=["sha256:" + "1" * 64, "sha256:" + "2" * 64])

    with pytest.raises(ToolFailed, match="do not belong together"):
        await pull.pull(engine, registry.push(image, "s/liar:1"))

    assert list(query.listed(engine)) == []
    assert files_below(engine) == []


async def test_a_pull_that_nobody_waits_for_any_more_is_cancelled_and_cleaned_up(
    engine: Engine, registry: Registry, state: MemoryStore
) -> None:
    image = Image([Tar().file("big", os.urandom(8 << 20))])
    name = registry.push(image, "t/big:1")
    for moment in range(0, 200, 20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(moment / 1000):
                await pull.pull(engine, name)
                raise TimeoutError  # fast machines: it was done in time
        await remove.remove(engine, name)
        await close(engine)

    assert list(query.listed(engine)) == []
    assert os.listdir(engine.images.layouts) == []
    await close(await _next_start(engine, state))
    assert files_below(engine) == []
    assert await pull.pull(engine, name) == image.id


async def _next_start(engine: Engine, state: MemoryStore) -> Engine:
    again = engine_of(engine.images)
    await recover(again, state)
    while engine.images._background:
        await asyncio.gather(*engine.images._background)
    return again


async def test_a_second_caller_keeps_the_pull_alive_when_the_first_gives_up(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("kept alive")
    name = registry.push(image, "u/alive:1")

    first = asyncio.create_task(pull.pull(engine, name))
    second = asyncio.create_task(pull.pull(engine, name))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == image.id
    assert first.cancelled() or first.cancelling()


STEPS = ["resolve", "fetch", "follow", "whole", "unpack", "commit_layer", "catalogue"]


@pytest.mark.parametrize("step", STEPS)
async def test_a_pull_that_fails_anywhere_leaves_nothing(
    engine: Engine,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    image = image_of("fails", "anywhere")
    name = registry.push(image, "v/fails:1")
    plan = tmp_path / "plan"
    plan.write_text(f"images.pull.{step} fail\n")
    monkeypatch.setattr(faults, "_plan", str(plan))

    with pytest.raises(InjectedFault):
        await pull.pull(engine, name)

    assert list(query.listed(engine)) == []
    assert [f for f in files_below(engine) if "/." not in f] == []
    plan.write_text("")
    assert await pull.pull(engine, name) == image.id


async def test_removing_by_any_reference_removes_all_names_and_files(
    engine: Engine, registry: Registry
) -> None:
    image = image_of("removed")
    name = registry.push(image, "w/removed:1", "w/removed:2")
    await pull.pull(engine, name)
    await pull.pull(engine, registry.name("w/removed:2"))

    await asyncio.gather(
        remove.remove(engine, name),
        remove.remove(engine, image.id),
        remove.remove(engine, "w/none"),
    )

    assert list(query.listed(engine)) == []
    assert query.status(engine, registry.name("w/removed:2"))[0] is None
    assert [f for f in files_below(engine) if "/." not in f] == []


async def test_layers_stay_while_a_container_stands_on_them(
    open_images: Open, registry: Registry
) -> None:
    held: set[str] = set()
    engine = await open_images(held_layers=lambda: held)
    image = image_of("in use", "and this")
    name = registry.push(image, "x/used:1")
    await pull.pull(engine, name)
    held.update(image.true_diff_ids[:1])

    await remove.remove(engine, name)

    assert engine.images.layers.present() == held
    held.clear()
    engine.images.collect()
    assert engine.images.layers.present() == set()
