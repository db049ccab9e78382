"""critest idempotence.go: repeated calls and calls for unknown objects; and runtime_info.go."""

import uuid

import pytest

from cri_shim.errors import NotFound
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri

UNKNOWN = [str(uuid.uuid4()), "0" * 64, "no-such-id"]


@pytest.mark.parametrize("id", UNKNOWN)
async def test_stopping_and_removing_should_not_return_an_error_if_not_found(
    cri: Cri, id: str
) -> None:
    await cri.stop_pod(id)
    await cri.remove_pod(id)
    await cri.stop(id, 0)
    await cri.stop(id, 10)
    await cri.remove(id)


async def test_remove_image_should_not_return_an_error_if_not_found(cri: Cri) -> None:
    for _ in range(2):
        request = api.RemoveImageRequest(image=api.ImageSpec(image="0" * 64))
        await cri.image.RemoveImage(request)


async def test_stop_pod_sandbox_should_not_return_an_error_if_already_stopped(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)

    for _ in range(2):
        await cri.stop_pod(pod)
        assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY

    for _ in range(2):
        await cri.remove_pod(pod)


async def test_stop_container_should_not_return_an_error_if_already_stopped(
    cri: Cri, handler: str
) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "1000"])

    for _ in range(2):
        await cri.stop(container, 0)
        assert (await cri.status(container)).state == api.CONTAINER_EXITED

    for _ in range(2):
        await cri.remove(container)


@pytest.mark.parametrize("id", UNKNOWN)
async def test_the_status_of_an_unknown_object_is_not_found(cri: Cri, id: str) -> None:
    with pytest.raises(NotFound):
        await cri.status(id)
    with pytest.raises(NotFound):
        await cri.pod_status(id)


async def test_runtime_should_return_version_info(cri: Cri) -> None:
    answer = await cri.runtime.Version(api.VersionRequest(version="0.1.0"))

    assert answer.version == "0.1.0"
    assert answer.runtime_name == "cri-shim"
    assert answer.runtime_version
    assert answer.runtime_api_version == "v1"


async def test_runtime_should_return_runtime_conditions(cri: Cri) -> None:
    answer = await cri.runtime.Status(api.StatusRequest())

    conditions = {condition.type: condition.status for condition in answer.status.conditions}

    assert conditions["RuntimeReady"]
    assert conditions["NetworkReady"]


async def test_the_default_handler_is_listed_with_an_empty_name_too(cri: Cri) -> None:
    answer = await cri.runtime.Status(api.StatusRequest())

    assert {"", "crun", "runc"} <= {handler.name for handler in answer.runtime_handlers}


async def test_runtime_config_has_the_cgroup_driver(cri: Cri) -> None:
    answer = await cri.runtime.RuntimeConfig(api.RuntimeConfigRequest())

    assert answer.linux.cgroup_driver in (api.CGROUPFS, api.SYSTEMD)
