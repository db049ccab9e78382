"""stop and rm: containers and pods by one rule for names, in the words of crictl."""

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.commands import cri_shim, shown, shown_json
from tests.fixtures.cri import Cri, pod_config


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
    assert (done.returncode, done.stdout.decode()) == (4, f"{container}\n")
    assert done.stderr == b"cri-shim: no pod or container with name or ID nothing\n"
    assert await cri.containers() == []


@pytest.fixture
async def web(cri: Cri) -> str:
    return await cri.run_pod(pod_config(cri.daemon, "web"))


async def test_a_name_is_enough_for_every_command(cri: Cri, web: str) -> None:
    container = await cri.run(web, ["sleep", "600"])
    for name in ("main", "web", "web/main", "test/web", "test/web/main", container[:8]):
        assert await shown(cri, "exec", name, "echo", "hello") == "hello\n"
    assert (await shown_json(cri, "inspect", "test/web"))["status"]["id"] == web
    assert (await shown_json(cri, "inspect", "web/main"))["status"]["id"] == container
    assert (await shown(cri, "ps", "-q", "--pod", "web")) == f"{container}\n"
    assert await shown(cri, "logs", "web") == ""
    assert await shown(cri, "stop", "test/web/main") == "test/web/main\n"
    assert (await cri.status(container)).state == api.CONTAINER_EXITED
    assert await shown(cri, "rm", "-f", "web") == "Stopped sandbox web\nRemoved sandbox web\n"
    assert await cri.pods() == []


async def test_an_ambiguous_name_is_refused_with_the_candidates(cri: Cri, web: str) -> None:
    for name in ("one", "two"):
        await cri.run(web, ["sleep", "600"], name)
    done = await cri_shim(cri, "exec", "web", "true")
    assert done.returncode == 125
    assert "pod test/web has 2 containers, name one of them: " in done.stderr.decode()
    assert "container test/web/two (" in done.stderr.decode()
    other = pod_config(cri.daemon, "web")
    other.metadata.namespace = "other"
    await cri.run_pod(other)
    refused = await cri_shim(cri, "rm", "-f", "web")
    assert refused.returncode == 1
    assert "web is ambiguous: pod test/web (" in refused.stderr.decode()
    assert len(await cri.pods()) == 2


async def test_names_that_o_name_prints_are_accepted(cri: Cri, web: str) -> None:
    await cri.run(web, ["sleep", "600"])
    pod, container = [await shown(cri, word, "-o", "name") for word in ("pods", "ps")]
    assert (pod, container) == ("test/web\n", "test/web/main\n")
    await shown(cri, "rm", "-f", container.strip(), pod.strip())
    assert (await cri.pods(), await cri.containers()) == ([], [])
