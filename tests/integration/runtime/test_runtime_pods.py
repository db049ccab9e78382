"""Pods and containers as objects: made, found, removed, and the same that a daemon sees."""

import asyncio
import json

import pytest

from cri_shim import Runtime
from cri_shim.containers import remove as container_remove
from cri_shim.errors import (
    ContainerInUse,
    InvalidArgument,
    NotFound,
    RuntimeStopped,
    ToolFailed,
    WrongNamespace,
    WrongState,
)
from cri_shim.library import names
from cri_shim.library.pod import Pod
from cri_shim.options import with_namespace
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.library import Place
from tests.integration.runtime.conftest import load_busybox, running


async def test_the_default_pod_has_a_name_an_address_and_its_own_pids(opened: Runtime) -> None:
    pod = await opened.create_pod(labels={"tier": "web"})

    adjective, surname = pod.name.split("_")
    assert adjective in names.ADJECTIVES and surname in names.SURNAMES
    assert (pod.namespace, pod.ready, pod.labels) == ("default", True, {"tier": "web"})
    assert opened.pods() == [pod] == [opened.pod(pod.name)]
    assert opened.generate_name() not in ("", pod.name)
    container = await running(pod, "hostname; ip addr; ps; sleep 600")
    seen = await container.exec(["sh", "-c", "hostname; ip addr; ps"])
    assert seen.stdout.decode().splitlines()[0] == pod.name.replace("_", "-")
    assert pod.ips[0].encode() in seen.stdout
    assert b"catatonit" not in seen.stdout


async def test_a_pod_can_have_the_hosts_network_and_share_its_pids(opened: Runtime) -> None:
    pod = await opened.create_pod(name="host", host_network=True, share_pids=True)
    container = await running(pod)
    assert pod.ips == []
    assert b"catatonit" in (await container.exec(["ps"])).stdout
    assert pod.inspect()["HostNetwork"] is True


async def test_a_pod_is_made_from_a_config_or_from_keywords_and_checked(opened: Runtime) -> None:
    metadata = api.PodSandboxMetadata(name="whole", namespace="shop", uid="1")
    pod = await opened.create_pod(api.PodSandboxConfig(metadata=metadata), handler="runc")
    assert (pod.name, pod.namespace, pod.inspect()["OCIRuntime"]) == ("whole", "shop", "runc")
    with pytest.raises(InvalidArgument, match=r"config: is complete.* with name"):
        await opened.create_pod(api.PodSandboxConfig(metadata=metadata), name="other")
    with pytest.raises(InvalidArgument, match=r"config.hostname"):
        await opened.create_pod(hostname="not a host name")
    assert opened.pods() == [pod]


async def test_containers_are_found_by_id_prefix_and_name(opened: Runtime, pod: Pod) -> None:
    main = await pod.create_container(busybox.NAME, ["true"], name="main")
    other = await pod.create_container(busybox.NAME, ["true"])
    assert opened.containers() == pod.containers() == [main, other]
    for word in (main.id, main.id[:20], "main", "web/main", "default/web/main"):
        assert opened.container(word) == main
    assert opened.container(other.name) == other
    assert (main.pod, main.status, main.exit_code) == (pod, "created", None)
    with pytest.raises(NotFound, match="no container or pod with name or ID nobody"):
        opened.container("nobody")
    with pytest.raises(NotFound, match="no pod with name or ID nobody"):
        opened.pod("nobody")


async def test_a_container_runs_to_its_end_and_has_a_full_status(opened: Runtime, pod: Pod) -> None:
    container = await pod.create_container(
        busybox.NAME,
        ["sh", "-c", "echo $GREETING; exit 3"],
        name="main",
        env={"GREETING": "hello"},
        labels={"a": "b"},
        working_dir="/tmp",
    )
    await container.start()
    assert await asyncio.wait_for(container.wait(), 10) == 3

    told = container.inspect()
    assert (container.status, container.exit_code, container.pid) == ("exited", 3, 0)
    assert (told["Name"], told["Pod"], told["ImageName"]) == ("main", pod.id, busybox.NAME)
    assert (told["Path"], told["Args"][0]) == ("sh", "-c")
    assert told["State"]["Status"] == "exited"
    assert (told["State"]["ExitCode"], told["State"]["Reason"]) == (3, "Error")
    assert told["State"]["StartedAt"] <= told["State"]["FinishedAt"]
    assert "GREETING=hello" in told["Config"]["Env"]
    assert (told["Config"]["WorkingDir"], told["Config"]["Labels"]) == ("/tmp", {"a": "b"})
    assert told["LogPath"] == str(container.log_path)
    assert [entry.content async for entry in container.logs()] == [b"hello"]
    assert json.loads(json.dumps(told)) == told
    assert json.loads(json.dumps(pod.inspect())) == pod.inspect()
    row = {"Id": container.id, "Name": "main", "State": "exited"}
    assert pod.inspect()["Containers"] == [row]


async def test_a_failed_start_has_its_reason(pod: Pod) -> None:
    container = await pod.create_container(busybox.NAME, ["/no/such/program"])
    with pytest.raises(ToolFailed, match="/no/such/program"):
        await container.start()
    assert await asyncio.wait_for(container.wait(), 5) == 128
    assert "/no/such/program" in container.inspect()["State"]["Error"]


async def test_running_objects_are_removed_only_by_force(opened: Runtime, pod: Pod) -> None:
    container = await running(pod)
    for thing in (container, pod):
        with pytest.raises(WrongState, match="running"):
            await thing.remove()
    waiting = asyncio.create_task(container.wait())
    await asyncio.sleep(0)
    await container.remove(force=True)
    assert await asyncio.wait_for(waiting, 5) == 137
    await container.remove()
    assert opened.containers() == []
    await running(pod)
    await pod.remove(force=True)
    await pod.remove()
    assert (opened.pods(), opened.containers()) == ([], [])
    with pytest.raises(NotFound):
        _ = container.status


async def test_waiting_ends_with_the_state_or_when_it_is_impossible(
    opened: Runtime, pod: Pod
) -> None:
    container = await pod.create_container(busybox.NAME, ["true"])  # it runs for a moment
    running = asyncio.create_task(container.wait_until("running"))
    removed = asyncio.create_task(container.wait_until("removed"))
    paused = asyncio.create_task(container.wait_until("paused"))
    await asyncio.sleep(0)
    await container.start()
    assert await asyncio.wait_for(container.wait(), 5) == 0
    await asyncio.wait_for(running, 5)
    with pytest.raises(WrongState, match="it is never paused"):
        await asyncio.wait_for(paused, 5)
    await container.remove()
    await asyncio.wait_for(removed, 5)
    never = await pod.create_container(busybox.NAME, ["true"])
    waiting = asyncio.create_task(never.wait())
    await asyncio.sleep(0)
    await never.remove()
    with pytest.raises(NotFound, match="it is never exited"):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(InvalidArgument, match="is not one of running"):
        await (await pod.create_container(busybox.NAME)).wait_until("asleep")  # type: ignore[arg-type]


async def test_waiting_and_following_end_with_the_runtime(here: Place) -> None:
    async with here.runtime() as first:
        await load_busybox(first, here)
        pod = await first.create_pod(log_directory=here.directory / "logs")
        container = await running(pod, "echo hello; sleep 600")
        waiting = asyncio.create_task(container.wait())
        following = container.logs(follow=True)
        assert (await anext(following)).content == b"hello"
    with pytest.raises(RuntimeStopped):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(RuntimeStopped):
        await asyncio.wait_for(anext(following), 5)
    for call in (container.start, container.top, container.exec):
        with pytest.raises(RuntimeStopped):
            await call(*([["true"]] if call == container.exec else []))
    with pytest.raises(RuntimeStopped):
        _ = container.status
    with pytest.raises(RuntimeStopped):
        pod.containers()
    async with here.runtime() as second:
        await second.pod(pod.id).remove(force=True)


async def test_containers_that_depend_on_each_other_start_in_order_and_hold_each_other(
    opened: Runtime, pod: Pod
) -> None:
    db = await pod.create_container(busybox.NAME, ["sleep", "600"], name="db")
    web = await pod.create_container(busybox.NAME, ["sleep", "600"], name="web", depends_on=[db])
    with pytest.raises(WrongState, match=rf"\({db.id[:12]}\), which does not run"):
        await web.start()
    assert (web.status, web.depends_on) == ("created", [db])
    await pod.start()
    assert (db.status, web.status) == ("running", "running")
    await db.stop(0)
    with pytest.raises(
        ContainerInUse, match=rf"is in use by \S+ \S+ \({web.id[:12]}\): remove that first"
    ):
        await db.remove()
    await db.remove(force=True)
    await web.remove(force=True)

    elsewhere = await opened.create_pod()
    with pytest.raises(InvalidArgument, match="depends_on: no container"):
        await elsewhere.create_container(busybox.NAME, depends_on=[db])


async def test_a_container_depends_on_its_pid_target(opened: Runtime, pod: Pod) -> None:
    target = await running(pod)
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="debugger"),
        image=api.ImageSpec(image=busybox.NAME),
        command=["sleep", "600"],
    )
    options = config.linux.security_context.namespace_options
    options.pid, options.target_id = api.TARGET, target.id
    debugger = await pod.create_container(config)
    await debugger.start()
    assert debugger.depends_on == [target]
    await target.stop(0)
    with pytest.raises(ContainerInUse):
        await target.remove()
    await debugger.stop(0)
    await container_remove.remove(opened.engine, target.id)  # the CRI forces it


async def test_prune_removes_only_ended_objects(opened: Runtime, pod: Pod) -> None:
    alive, done = await running(pod), await running(pod, "true")
    base = await running(pod, "sleep 600", name="base")
    user = await pod.create_container(busybox.NAME, ["true"], depends_on=[base])
    ended = await opened.create_pod()
    inside = await running(ended)
    await ended.stop()
    await base.stop(0)
    await done.wait()

    pruned = await opened.prune()

    assert (pruned.pods, pruned.errors) == ([ended.id], {})
    assert pruned.containers == [inside.id, done.id]
    assert opened.pods() == [pod]
    assert opened.containers() == [alive, base, user]


async def test_prune_continues_after_an_error_and_returns_it(
    opened: Runtime, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await running(pod, "true"), await running(pod, "true")
    await first.wait(), await second.wait()
    remove = container_remove.remove

    async def fails(engine: object, id: str) -> None:
        if id == second.id:
            raise ToolFailed("it is stuck")
        await remove(opened.engine, id)

    monkeypatch.setattr(container_remove, "remove", fails)
    pruned = await opened.prune()
    monkeypatch.undo()
    assert pruned.containers == [first.id]
    assert str(pruned.errors[second.id]) == "it is stuck"


async def test_a_runtime_of_another_state_namespace_sees_no_pod(here: Place) -> None:
    async with here.runtime(with_namespace("blue")) as blue:
        pod = await blue.create_pod(name="web")
    async with here.runtime(with_namespace("red")) as red:
        assert red.pods() == []
        with pytest.raises(WrongNamespace, match="state namespace 'blue', this runtime to 'red'"):
            red.pod("web")
    async with here.runtime() as everything:
        assert everything.pods() == [everything.pod("web")]
        await everything.pod(pod.id).remove()


async def test_daemon_and_library_see_each_others_pods(
    here: Place,
) -> None:
    async with here.runtime() as runtime:
        await load_busybox(runtime, here)
        pod = await runtime.create_pod(name="ours")
        container = await running(pod)
        ready = asyncio.Event()
        serving = asyncio.create_task(runtime.serve(ready.set))
        await ready.wait()
        async with Client(here.run_root / "cri-shim.sock") as client:
            pods = await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())
            assert [each.id for each in pods.items] == [pod.id]
            config = api.ContainerConfig(
                metadata=api.ContainerMetadata(name="theirs"),
                image=api.ImageSpec(image=busybox.NAME),
                command=["sleep", "600"],
            )
            made = await client.runtime.CreateContainer(
                api.CreateContainerRequest(
                    pod_sandbox_id=pod.id, config=config, sandbox_config=api.PodSandboxConfig()
                )
            )
            theirs = runtime.container("theirs")
            assert theirs.id == made.container_id
            await theirs.start()
            await container.pause()
            status = await client.runtime.ContainerStatus(
                api.ContainerStatusRequest(container_id=container.id)
            )
            assert status.status.state == api.CONTAINER_RUNNING
            await client.runtime.RemovePodSandbox(
                api.RemovePodSandboxRequest(pod_sandbox_id=pod.id)
            )
            assert (runtime.pods(), runtime.containers()) == ([], [])
        runtime.stop()
        await serving


async def test_the_next_runtime_finds_the_pods_of_the_last_one(here: Place) -> None:
    async with here.runtime() as first:
        await load_busybox(first, here)
        container = await running(await first.create_pod(name="web"), name="main")
    async with here.runtime() as second:
        found = second.container("web/main")
        assert (found.id, found.status) == (container.id, "running")
        assert (await found.exec(["echo", "hello"])).stdout == b"hello\n"
        await found.pod.remove(force=True)


async def test_pods_and_containers_have_statistics(pod: Pod) -> None:
    container = await running(pod)
    stats = await container.stats()
    assert stats.attributes.id == container.id
    assert stats.memory.usage_bytes.value > 0
    assert stats.writable_layer.used_bytes.value >= 0
    of_pod = await pod.stats()
    assert [each.attributes.id for each in of_pod.linux.containers] == [container.id]
