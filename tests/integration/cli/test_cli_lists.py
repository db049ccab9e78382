"""pods, ps and inspect: the objects, with the words and columns of crictl."""

import asyncio
import json
import re
import termios

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from tests.fixtures.commands import (
    LIMIT_S,
    command,
    cri_shim,
    crictl,
    in_terminal,
    needs_crictl,
    shown,
    shown_json,
)
from tests.fixtures.cri import Cri, container_config, pod_config

KUBELET = {"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "test"}


class Scene:
    """A pod with a running, an ended and a created container, and one that is stopped."""

    def __init__(self, web: str, old: str, running: str, ended: str, made: str) -> None:
        self.web, self.old = web, old
        self.running, self.ended, self.made = running, ended, made


@pytest.fixture
async def scene(cri: Cri) -> Scene:
    old = await cri.run_pod(pod_config(cri.daemon, "old"))
    await cri.stop_pod(old)
    web = await cri.run_pod(pod_config(cri.daemon, "web", labels={"app": "shop"}))
    labels = {**KUBELET, "tier": "front"}
    running = await cri.run(web, ["sleep", "600"], "front", labels=labels)
    ended = await cri.run(web, ["sh", "-c", "exit 3"], "job", labels=KUBELET)
    await cri.exited(ended)
    made = await cri.create(web, container_config(["true"], "later", labels=KUBELET))
    return Scene(web, old, running, ended, made)


def rows(text: str) -> list[list[str]]:
    """The cells of a table, which are three spaces apart at least."""
    return [re.split(r" {3,}", line.rstrip()) for line in text.splitlines()]


async def test_pods_shows_one_line_for_each_the_youngest_first(cri: Cri, scene: Scene) -> None:
    head, *lines = rows(await shown(cri, "pods"))
    assert head == ["POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"]
    without_age = [[*line[:1], *line[2:]] for line in lines]
    assert without_age == [
        [scene.web[:13], "Ready", "web", "test", "0", "(default)"],
        [scene.old[:13], "NotReady", "old", "test", "0", "(default)"],
    ]


async def test_ps_shows_running_containers_and_with_a_ended_ones_too(
    cri: Cri, scene: Scene
) -> None:
    head, *running = rows(await shown(cri, "ps"))
    assert ",".join(head) == "CONTAINER,IMAGE,CREATED,STATE,NAME,RESTARTS,POD ID,POD,NAMESPACE"
    assert [[line[0], *line[3:]] for line in running] == [
        [scene.running[:13], "Running", "front", "0", scene.web[:13], "web", "test"]
    ]
    _, *every = rows(await shown(cri, "ps", "-a"))
    assert [line[3] for line in every] == ["Created", "Exited (3)", "Running"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ps", "--name", "^fr"], ["running"]),
        (["ps", "-a", "--name", "^j|later"], ["made", "ended"]),
        (["ps", "--label", "tier=front"], ["running"]),
        (["ps", "-a", "--label", "tier=back"], []),
        (["ps", "--state", "Exited"], ["ended"]),
        (["ps", "--state", "created"], ["made"]),
        (["ps", "--latest"], ["made"]),
        (["ps", "--last", "2"], ["made", "ended"]),
        (["ps", "-a", "--namespace", "other"], []),
        (["pods", "--state", "notready"], ["old"]),
        (["pods", "--label", "app=shop"], ["web"]),
        (["pods", "--name", "^(web|old)$"], ["web", "old"]),
        (["pods", "--namespace", "^none$"], []),
        (["pods", "-l"], ["web"]),
    ],
)
async def test_filters_select_rows(
    cri: Cri, scene: Scene, words: list[str], found: list[str]
) -> None:
    ids = (await shown(cri, *words, "-q")).split()
    assert ids == [getattr(scene, name) for name in found]


async def test_ps_of_one_pod(cri: Cri, scene: Scene) -> None:
    other = await cri.run(await cri.run_pod(), ["sleep", "600"])
    assert (await shown(cri, "ps", "-q", "--pod", scene.web[:13])).split() == [scene.running]
    assert set((await shown(cri, "ps", "-q")).split()) == {other, scene.running}


async def test_ids_can_be_shown_whole(cri: Cri, scene: Scene) -> None:
    assert scene.running in await shown(cri, "ps", "--no-trunc")


async def test_the_pod_of_a_container_is_known_without_labels_of_a_kubelet(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "bare"))
    await cri.run(pod, ["sleep", "600"])
    assert rows(await shown(cri, "ps"))[1][-2:] == ["bare", "test"]


async def test_an_empty_list_is_a_head_without_lines(cri: Cri) -> None:
    assert len(rows(await shown(cri, "ps"))) == len(rows(await shown(cri, "pods"))) == 1
    assert await shown(cri, "ps", "-q") == ""
    assert await shown_json(cri, "pods", "-o", "json") == {"items": []}


async def test_inspect_shows_containers_and_pods_by_id_prefix(cri: Cri, scene: Scene) -> None:
    container = await shown_json(cri, "inspect", scene.ended[:13])
    assert container["status"]["id"] == scene.ended
    assert (container["status"]["exitCode"], container["status"]["state"]) == (
        3,
        "CONTAINER_EXITED",
    )
    assert container["info"]["runtimeSpec"]["process"]["args"] == ["sh", "-c", "exit 3"]
    both = await shown_json(cri, "inspect", scene.web[:13], scene.running)
    assert [one["status"]["id"] for one in both] == [scene.web, scene.running]


async def test_an_ambiguous_id_prefix_is_refused_with_the_ids(cri: Cri) -> None:
    pods = [await cri.run_pod() for _ in range(17)]  # of 16 digits one must come twice
    first = next(digit for digit in "0123456789abcdef" if sum(p[0] == digit for p in pods) > 1)
    done = await cri_shim(cri, "inspect", first)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cri-shim: {first} is ambiguous: pod test/".encode())
    assert all(pod[:12].encode() in done.stderr for pod in pods if pod.startswith(first))


async def test_inspecting_an_unknown_object_is_an_error(cri: Cri) -> None:
    done = await cri_shim(cri, "inspect", "nothing")
    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr == b"cri-shim: no pod or container with name or ID nothing\n"


@needs_crictl
@pytest.mark.parametrize(
    "words",
    [
        "pods", "pods -q", "pods --no-trunc", "pods --state ready", "pods --name we",
        "ps", "ps -a", "ps -aq", "ps --no-trunc -a", "ps --state exited", "ps --last 2",
        "ps -a --label tier=front", "ps --name nothing",
    ],
)  # fmt: skip
async def test_a_list_equals_crictls(cri: Cri, scene: Scene, words: str) -> None:
    theirs = await crictl(cri, *words.split())
    ours = await shown(cri, *words.split())
    assert comparable(ours) == comparable(theirs.stdout.decode())


def comparable(text: str) -> list[list[str]]:
    """The cells without ages, exit codes, and the head, where our RESTARTS is their ATTEMPT."""
    text = re.sub(r"(Less than a|\d+) seconds? ago", "AGE", text).replace("RESTARTS", "ATTEMPT")
    return [
        re.split(r" {2,}", re.sub(r"Exited \(\d+\)", "Exited", line.rstrip()))
        for line in text.splitlines()
    ]


async def test_ps_tells_how_a_container_ended(cri: Cri) -> None:
    pod = await cri.run_pod()
    killed = await cri.run(pod, ["sleep", "600"], "killed")
    await cri.stop(killed)
    broken = await cri.create(pod, container_config(["/nosuch"], "broken"))
    with pytest.raises(CriShimError):
        await cri.start(broken)
    eater = container_config(["sh", "-c", "x=1; while :; do x=$x$x; done"], "eater")
    eater.linux.resources.memory_limit_in_bytes = 16 << 20
    await cri.start(made := await cri.create(pod, eater))
    await cri.exited(made)
    _, *lines = rows(await shown(cri, "ps", "-a"))
    assert {line[4]: line[3] for line in lines} == {
        "killed": "Exited (137)",
        "broken": "Exited (128) StartError",
        "eater": "Exited (137) OOMKilled",
    }


@pytest.mark.parametrize("columns", [60, 120])
async def test_no_line_is_wider_than_the_terminal(cri: Cri, scene: Scene, columns: int) -> None:
    for words in (["ps", "-a"], ["pods"], ["images"]):
        async with in_terminal(*command(cri, *words)) as terminal:
            termios.tcsetwinsize(terminal.fd, (40, columns))
            async with asyncio.timeout(LIMIT_S):
                await terminal.process.wait()
            await terminal.until(lambda seen: seen.endswith(b"\n"))
        lines = terminal.seen.decode().splitlines()
        assert max(map(len, lines)) <= columns
        assert all(re.match(r"[0-9a-f]{12}", line) for line in lines[1:])


@needs_crictl
@pytest.mark.parametrize("words", ["pods -o json", "ps -a -o json"])
async def test_a_list_as_json_equals_crictls(cri: Cri, scene: Scene, words: str) -> None:
    theirs = json.loads((await crictl(cri, *words.split())).stdout)
    assert await shown_json(cri, *words.split()) == theirs


@needs_crictl
async def test_the_output_of_inspect_equals_crictls(cri: Cri, scene: Scene) -> None:
    for id in (scene.running, scene.ended, scene.made):
        assert await shown(cri, "inspect", id) == (await crictl(cri, "inspect", id)).stdout.decode()
    for id in (scene.web, scene.old):
        assert (
            await shown(cri, "inspect", id) == (await crictl(cri, "inspectp", id)).stdout.decode()
        )


async def test_states_of_the_api_all_have_a_word(cri: Cri) -> None:
    for state in api.ContainerState.keys():  # noqa: SIM118
        word = state.removeprefix("CONTAINER_").lower()
        assert await shown(cri, "ps", "-q", "--state", word) == ""
