"""critest image.go, image_consistency.go and image_id_consistency.go, over the socket."""

import asyncio
from collections.abc import Callable

import pytest

from cri_shim.errors import InvalidArgument, TimedOut
from cri_shim.pb import api_pb2 as api
from hack.critestlib.images import nonewprivs
from tests.conformance.conftest import HOSTS
from tests.fixtures.cri import Cri, container_config, log_lines
from tests.fixtures.images import Image, Registry, Tar, busybox_layer

HOST = HOSTS[0]
Push = Callable[..., Image]


@pytest.fixture
def push(registry: Registry) -> Push:
    """Serve an image, unlike all others, under names; `runs` gives it a shell."""

    def push_(*names: str, runs: bool = False, **config: object) -> Image:
        layers = [busybox_layer()] if runs else []
        image = Image([*layers, Tar().file(f"is-{names[0].replace('/', '-')}")], config)
        registry.push(image, *names)
        return image

    return push_


def spec(name: str) -> api.ImageSpec:
    return api.ImageSpec(image=name)


async def pull(cri: Cri, name: str) -> str:
    return (await cri.image.PullImage(api.PullImageRequest(image=spec(name)))).image_ref


async def found(cri: Cri, name: str) -> api.Image | None:
    """ImageStatus; None for the successful answer without an image."""
    answer = await cri.image.ImageStatus(api.ImageStatusRequest(image=spec(name)))
    return answer.image if answer.HasField("image") else None


async def status(cri: Cri, name: str) -> api.Image:
    image = await found(cri, name)
    assert image is not None, name
    return image


async def remove(cri: Cri, name: str) -> None:
    await cri.image.RemoveImage(api.RemoveImageRequest(image=spec(name)))


async def listed(cri: Cri) -> list[str]:
    return [i.id for i in (await cri.image.ListImages(api.ListImagesRequest())).images]


async def test_public_image_with_tag_should_be_pulled_and_removed(cri: Cri, push: Push) -> None:
    push("tag:test")
    id = await pull(cri, f"{HOST}/tag:test")

    assert list((await status(cri, id)).repo_tags) == [f"{HOST}/tag:test"]

    await remove(cri, id)
    assert await found(cri, f"{HOST}/tag:test") is None


async def test_public_image_should_time_out_if_requested(cri: Cri, push: Push) -> None:
    push("late:1")
    request = api.PullImageRequest(image=spec(f"{HOST}/late:1"))

    with pytest.raises(TimedOut):
        await cri.image.PullImage(request, timeout=0.001)

    id = await pull(cri, f"{HOST}/late:1")  # a cancelled pull has no effect
    assert (await status(cri, id)).size > 0
    await remove(cri, id)


async def test_public_image_without_tag_should_be_pulled_and_removed(cri: Cri, push: Push) -> None:
    push("untagged:latest")
    id = await pull(cri, f"{HOST}/untagged")

    assert list((await status(cri, f"{HOST}/untagged")).repo_tags) == [f"{HOST}/untagged:latest"]

    await remove(cri, id)
    assert await found(cri, f"{HOST}/untagged") is None


async def test_public_image_with_digest_should_be_pulled_and_removed(cri: Cri, push: Push) -> None:
    name = f"{HOST}/digest@{push('digest:1').digest}"
    id = await pull(cri, name)

    image = await status(cri, name)

    assert (list(image.repo_tags), list(image.repo_digests)) == ([], [name])
    await remove(cri, id)
    assert await found(cri, name) is None


async def test_image_status_should_support_all_kinds_of_references(cri: Cri, push: Push) -> None:
    push("tag:all")
    id = await pull(cri, f"{HOST}/tag:all")
    by_id = await status(cri, id)

    names = [f"sha256:{id}", id[:12], *by_id.repo_tags, *by_id.repo_digests]

    assert len(names) == 4
    assert [await status(cri, name) for name in names] == [by_id] * 4
    await remove(cri, id)


@pytest.mark.parametrize(
    ("user", "uid", "username"),
    [
        ("1002", api.Int64Value(value=1002), ""),
        ("0", api.Int64Value(value=0), ""),
        ("1003:1004", api.Int64Value(value=1003), ""),
        ("www-data", None, "www-data"),
        ("www-data:1004", None, "www-data"),
        ("", None, ""),
    ],
)
async def test_image_status_get_image_fields_should_not_have_uid_or_username_empty(
    cri: Cri, push: Push, user: str, uid: api.Int64Value | None, username: str
) -> None:
    push("user:1", User=user)
    id = await pull(cri, f"{HOST}/user:1")

    image = await status(cri, id)

    assert (image.uid if image.HasField("uid") else None) == uid
    assert image.username == username
    await remove(cri, id)


async def test_list_image_should_get_exactly_3_images_in_the_result_list(
    cri: Cri, push: Push
) -> None:
    names = [f"{HOST}/three-{number}:latest" for number in (1, 2, 3)]
    for number in (1, 2, 3):
        push(f"three-{number}:latest")
    ids = [await pull(cri, name) for name in names]

    answer = await cri.image.ListImages(api.ListImagesRequest())

    assert [list(i.repo_tags) for id in ids for i in answer.images if i.id == id] == [
        [name] for name in names
    ]
    for id in ids:
        await remove(cri, id)


async def test_list_image_should_get_exactly_3_repo_tags_in_the_result_image(
    cri: Cri, push: Push
) -> None:
    push("tags:1", "tags:2", "tags:3")
    names = [f"{HOST}/tags:{tag}" for tag in (1, 2, 3)]
    (id,) = {await pull(cri, name) for name in names}

    assert sorted((await status(cri, id)).repo_tags) == names
    await remove(cri, id)


async def test_removing_image_by_one_tag_should_remove_all_tags(cri: Cri, push: Push) -> None:
    push("all:1", "all:2")
    names = [f"{HOST}/all:{tag}" for tag in (1, 2)]
    (id,) = {await pull(cri, name) for name in names}

    await remove(cri, names[1])

    assert [await found(cri, name) for name in (*names, id)] == [None] * 3


async def test_removing_image_from_one_registry_should_remove_all_tags_from_other_registries(
    cri: Cri, push: Push
) -> None:
    push("pause:1")
    names = [f"{host}/pause:1" for host in HOSTS]
    (id,) = {await pull(cri, name) for name in names}
    assert sorted((await status(cri, id)).repo_tags) == names

    await remove(cri, id)

    assert [await found(cri, name) for name in (*names, id)] == [None] * 3


async def test_should_list_and_not_list_immediately_after_pull_and_removal(
    cri: Cri, push: Push
) -> None:
    push("at-once:1")

    id = await pull(cri, f"{HOST}/at-once:1")
    assert id in await listed(cri)
    await remove(cri, id)
    assert id not in await listed(cri)
    assert await found(cri, id) is None


async def test_should_not_fail_on_simultaneous_remove_image_calls(cri: Cri, push: Push) -> None:
    push("five:1")
    id = await pull(cri, f"{HOST}/five:1")

    async def gone_after_removal() -> bool:
        await remove(cri, id)
        return await found(cri, id) is None

    assert all(await asyncio.gather(*(gone_after_removal() for _ in range(5))))


async def test_should_return_the_same_image_identifier_across_all_apis(
    cri: Cri, push: Push, handler: str
) -> None:
    push("same:1", runs=True, Cmd=["/bin/sh"])
    ref = await pull(cri, f"{HOST}/same:1")
    pod = await cri.run_pod(handler=handler)

    container = await cri.run(pod, [], image=ref)

    (row,) = (
        await cri.runtime.ListContainers(
            api.ListContainersRequest(filter=api.ContainerFilter(id=container))
        )
    ).containers
    answer = await cri.status(container)
    assert (await status(cri, ref)).id == ref
    assert (answer.image_id, row.image_id, row.image_ref) == (ref,) * 3
    assert answer.image_ref == (await status(cri, ref)).repo_digests[0]  # what kubectl shows
    assert answer.image.image == ref
    await cri.remove(container)
    await remove(cri, ref)


async def test_should_return_the_same_identifier_when_pulled_from_different_registries(
    cri: Cri, push: Push
) -> None:
    push("both:1", runs=True, Entrypoint=["/bin/sleep", "60"])
    one, two = [await pull(cri, f"{host}/both:1") for host in HOSTS]
    container = await cri.run(await cri.run_pod(), [], image=two)

    assert one == two == (await cri.status(container)).image_id
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING
    await cri.remove(container)
    await remove(cri, one)


@pytest.mark.parametrize(("no_new_privs", "effective"), [(True, "1000"), (False, "0")])
async def test_a_setuid_program_of_an_image_stays_one(
    cri: Cri, registry: Registry, handler: str, no_new_privs: bool, effective: str
) -> None:
    registry.push(nonewprivs(), "nonewprivs:1")
    id = await pull(cri, f"{HOST}/nonewprivs:1")
    config = container_config([], image=id)
    context = config.linux.security_context
    context.run_as_user.value = 1000
    context.no_new_privs = no_new_privs
    pod = await cri.run_pod(handler=handler)
    container = await cri.create(pod, config)
    await cri.start(container)

    said = log_lines(await cri.exited(container))

    assert said == [f"Effective uid: {effective}"]
    await cri.remove(container)
    await remove(cri, id)


# -- image_volume.go, what tests/integration/containers/test_containers_volumes.py does not show --


def volume(name: str, readonly: bool = True) -> api.Mount:
    path = "/mnt/image-volume"
    return api.Mount(container_path=path, readonly=readonly, image=spec(name))


async def test_image_volume_should_return_the_image_digest_in_container_status_mounts(
    cri: Cri, push: Push, handler: str
) -> None:
    push("volume:1", runs=True)
    name = f"{HOST}/volume:1"
    ref = await pull(cri, name)
    config = container_config(["sleep", "60"], image=name, mounts=[volume(name)])

    container = await cri.create(await cri.run_pod(handler=handler), config)

    (told,) = (await cri.status(container)).mounts
    assert (told.container_path, told.image.image_ref) == ("/mnt/image-volume", ref)
    await cri.remove(container)
    await remove(cri, ref)


async def test_image_volume_should_reject_readonly_set_to_false(cri: Cri, push: Push) -> None:
    push("written:1", runs=True)
    name = f"{HOST}/written:1"
    ref = await pull(cri, name)
    config = container_config(["sleep", "60"], image=name, mounts=[volume(name, readonly=False)])
    pod = await cri.run_pod()

    with pytest.raises(InvalidArgument, match=r"^ImageVolumeMountFailed: config\.mounts\[0\]\."):
        await cri.create(pod, config)

    assert await cri.containers() == []
    await remove(cri, ref)
