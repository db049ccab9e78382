"""stop and rm: containers and pods by one rule for ids, in the words of crictl."""

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.commands import cri_shim, shown
from tests.fixtures.cri import Cri


@pytest.fixture
async def pod(cri: Cri) -> str:
    return await cri.run_pod()


@pytest.fixture
async def container(cri: Cri, pod: str) -> str:
    return await cri.run(pod, ["sleep", "600"])


async def test_stop_ends_a_container_and_can_be_repeated(cri: Cri, container: str) -> None:
    assert await shown(cri, "stop", container[:13]) == f"{container[:13]}\n"
    assert (await cri.status(container)).state == api.CONTAINER_EXITED
    assert await shown(cri, "stop", container) == f"{container}\n"


async def test_stop_gives_a_container_the_requested_grace_period(cri: Cri, pod: str) -> None:
    script = "trap 'exit 7' TERM; touch /tmp/up; while :; do sleep 0.1; done"
    patient = await cri.run(pod, ["sh", "-c", script])
    await cri.sh(patient, "until [ -e /tmp/up ]; do sleep 0.05; done")
    await shown(cri, "stop", "--timeout", "20", patient)
    assert (await cri.status(patient)).exit_code == 7


async def test_stop_ends_a_pod_with_its_containers(cri: Cri, pod: str, container: str) -> None:
    assert await shown(cri, "stop", pod) == f"Stopped sandbox {pod}\n"
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    assert (await cri.status(container)).state == api.CONTAINER_EXITED


async def test_rm_refuses_running_objects(cri: Cri, pod: str, container: str) -> None:
    done = await cri_shim(cri, "rm", container, pod)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines() == [
        f'cri-shim: container "{container}" is running, please stop it first',
        f'cri-shim: pod sandbox "{pod}" is running, please stop it first',
    ]
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING


async def test_rm_removes_stopped_objects(cri: Cri, pod: str, container: str) -> None:
    await shown(cri, "stop", container, pod)
    assert await shown(cri, "rm", container, pod) == f"{container}\nRemoved sandbox {pod}\n"
    assert (await cri.containers(), await cri.pods()) == ([], [])


async def test_rm_by_force_removes_running_objects(cri: Cri, pod: str, container: str) -> None:
    assert await shown(cri, "rm", "-f", container) == f"{container}\n"
    assert await shown(cri, "rm", "-f", pod) == f"Stopped sandbox {pod}\nRemoved sandbox {pod}\n"
    assert (await cri.containers(), await cri.pods()) == ([], [])


async def test_an_unknown_id_does_not_prevent_the_removal_of_the_others(
    cri: Cri, pod: str, container: str
) -> None:
    done = await cri_shim(cri, "rm", "-f", "nothing", container)
    assert (done.returncode, done.stdout.decode()) == (1, f"{container}\n")
    assert done.stderr == b"cri-shim: there is no pod and no container with id nothing\n"
    assert await cri.containers() == []
