"""Pulls of a library: the caller sees how far they are, and gives credentials."""

import os

import pytest

from cri_shim import Auth, Progress, errors
from tests.fixtures.images import Image, Tar, basic_auth
from tests.fixtures.library import Place
from tests.fixtures.odd_registry import OddRegistry, digest_of, trickle

SIZE = 600_000


async def test_progress_is_told_until_the_image_is_here(here: Place) -> None:
    told: list[Progress] = []
    with OddRegistry(here.directory) as registry:
        image = Image([Tar().file("f", os.urandom(SIZE))], compression=("none",))
        name = registry.serve(image.manifest, [image.config_bytes, *image.blobs])
        registry.plan(f"/blobs/{digest_of(image.blobs[0])}", trickle(60_000, 0.05))
        async with here.runtime() as runtime:
            found = await runtime.pull_image(name, progress=told.append)

    assert found.id == image.id
    assert {each.image for each in told} == {name}
    assert told[-1].host == registry.host
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert any(0 < each.done < each.total for each in told)
    assert any(layer.digest == digest_of(image.blobs[0]) for each in told for layer in each.layers)


async def test_an_error_of_the_caller_s_function_ends_the_call(here: Place) -> None:
    def refuse(_: Progress) -> None:
        raise KeyError("mine")

    with OddRegistry(here.directory) as registry:
        image = Image([Tar().file("f", b"x")])
        name = registry.serve(image.manifest, [image.config_bytes, *image.blobs])
        async with here.runtime() as runtime:
            with pytest.raises(KeyError, match="mine"):
                await runtime.pull_image(name, progress=refuse)
            assert (await runtime.pull_image(name)).id == image.id


async def test_credentials_are_given_as_a_value(here: Place) -> None:
    with OddRegistry(here.directory) as registry:
        registry.require = {f"Basic {basic_auth('joe', 'secret')}"}
        registry.challenge = 'Basic realm="test"'
        image = Image([Tar().file("f", b"x")])
        name = registry.serve(image.manifest, [image.config_bytes, *image.blobs])
        async with here.runtime() as runtime:
            with pytest.raises(errors.ToolFailed, match=r"refuses user 'joe' \(from the request\)"):
                await runtime.pull_image(name, Auth("joe", "wrong"))
            assert (await runtime.pull_image(name, Auth("joe", "secret"))).id == image.id


async def test_an_archive_may_be_a_relative_path(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.directory)
    image = Image([Tar().file("f", b"x")])
    image.write_docker_archive(here.directory / "a.tar", ["r.example/a:1"])
    async with here.runtime() as runtime:
        (loaded,) = await runtime.load_image("a.tar")
        await loaded.save("b.tar")
        (again,) = await runtime.load_image(here.directory / "b.tar")

    assert loaded.id == again.id == image.id
