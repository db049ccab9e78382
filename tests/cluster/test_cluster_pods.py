"""The life of pods: init, sidecar and ephemeral containers, hooks, termination, restarts."""

import time
from pathlib import Path

import pytest

from hack.clusterlib.images import AGNHOST
from tests.cluster.kubectl import MOUNT, STAY, Namespace, container, eventually, member, pod, volume

SHARED = volume(emptyDir={})


@pytest.mark.bounded
def test_a_pod_runs_to_its_end_and_its_log_is_there(ns: Namespace) -> None:
    assert ns.finish(pod("hello", "echo hello; hostname")) == "hello\nhello\n"


@pytest.mark.bounded
def test_a_failure_has_its_exit_code_and_reason(ns: Namespace) -> None:
    ns.apply(pod("fails", "exit 7"))
    found = ns.until("fails", lambda p: p["status"]["phase"] == "Failed")
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")


def test_init_containers_run_one_after_another_before_the_others(ns: Namespace) -> None:
    init = [member(f"init{n}", f"echo {n} >> /v/order", **MOUNT) for n in (1, 2)]
    log = ns.finish(pod("init", "cat /v/order", main=MOUNT, initContainers=init, volumes=SHARED))
    assert log == "1\n2\n"


def test_an_init_container_that_fails_is_run_again_until_it_succeeds(ns: Namespace) -> None:
    init = member("init", "test -e /v/again || { touch /v/again; exit 5; }", **MOUNT)
    again = pod("init", "true", initContainers=[init], volumes=SHARED, restartPolicy="OnFailure")
    ns.finish(again)
    status = container(ns.get("pod", "init"), "init")
    assert status["restartCount"] == 1
    assert status["state"]["terminated"]["exitCode"] == 0


@pytest.mark.bounded
def test_a_sidecar_runs_beside_the_main_container_and_ends_after_it(ns: Namespace) -> None:
    script = "echo up > /v/up; while :; do sleep 0.1; done"
    side = member("side", script, restartPolicy="Always", **MOUNT)
    script = "while ! test -e /v/up; do sleep 0.1; done; echo saw it"
    log = ns.finish(pod("side", script, main=MOUNT, initContainers=[side], volumes=SHARED))
    assert log == "saw it\n"
    found = ns.get("pod", "side")
    ended = [container(found, name)["state"]["terminated"] for name in ("main", "side")]
    assert ended[0]["finishedAt"] <= ended[1]["finishedAt"]
    assert ended[1]["exitCode"] == 0


def test_a_sidecar_that_ends_is_started_again_and_the_main_container_is_not(ns: Namespace) -> None:
    script = f"test -e /v/again && {STAY}; touch /v/again; sleep 1"
    side = member("side", script, restartPolicy="Always", **MOUNT)
    ns.apply(pod("side", initContainers=[side], volumes=SHARED))
    found = ns.until("side", lambda p: container(p, "side").get("restartCount") == 1)
    assert container(found)["restartCount"] == 0
    ns.until_ready("side")


def test_an_ephemeral_container_joins_a_running_pod(ns: Namespace) -> None:
    ns.start(pod("target"))
    image = container(ns.get("pod", "target"))["image"]
    ns.run("debug", "target", f"--image={image}", "--container=dbg", "--", "sh", "-c", "echo seen")
    eventually(lambda: "seen" in ns.run("logs", "target", "-c", "dbg", check=False))


def test_an_ephemeral_container_sees_the_processes_of_its_target(ns: Namespace) -> None:
    found = ns.start(pod("target", "exec sleep 4321"))
    image = container(found)["image"]
    words = ["debug", "target", f"--image={image}", "--target=main", "--container=dbg"]
    ns.run(*words, "--", "ps")
    eventually(lambda: "sleep 4321" in ns.run("logs", "target", "-c", "dbg", check=False))


@pytest.mark.bounded
def test_post_start_and_pre_stop_hooks_run(ns: Namespace, tmp_path: Path) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /v/start"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopped > /v/stop"]}},
    }
    volumes = volume(hostPath={"path": str(tmp_path)})
    main = {"lifecycle": hooks, **MOUNT}
    ns.start(pod("hooks", main=main, volumes=volumes, terminationGracePeriodSeconds=30))
    assert (tmp_path / "start").read_text() == "started\n"
    ns.run("delete", "pod", "hooks")
    assert (tmp_path / "stop").read_text() == "stopped\n"


def test_http_and_sleep_hooks_run(ns: Namespace) -> None:
    server = pod("server", ["/agnhost", "netexec"], main={"image": AGNHOST})
    address = ns.start(server)["status"]["podIP"]
    asks = {"httpGet": {"host": address, "port": 8080, "path": "/echo?msg=hooked"}}
    hooks = {"postStart": asks, "preStop": {"sleep": {"seconds": 2}}}
    ns.start(pod("hooks", main={"lifecycle": hooks}, terminationGracePeriodSeconds=30))
    assert "msg=hooked" in ns.logs("server")
    begin = time.monotonic()
    ns.run("delete", "pod", "hooks")
    assert time.monotonic() - begin >= 2


def test_a_container_whose_post_start_hook_fails_is_ended(ns: Namespace) -> None:
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "exit 3"]}}}
    ns.apply(pod("hook", main={"lifecycle": hooks}))
    ns.until("hook", lambda p: "terminated" in container(p).get("state", {}))
    eventually(lambda: "FailedPostStartHook" in ns.run("get", "events"))


def test_a_container_that_ignores_the_signal_is_killed_after_its_grace_period(
    ns: Namespace, tmp_path: Path
) -> None:
    volumes = volume(hostPath={"path": str(tmp_path)})
    script = "trap 'echo asked > /v/asked' TERM; while :; do sleep 0.1; done"
    ns.start(pod("deaf", ["sh", "-c", script], main=MOUNT, volumes=volumes))
    begin = time.monotonic()
    ns.run("delete", "pod", "deaf")
    assert 2 <= time.monotonic() - begin < 20
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_pod_beyond_its_deadline_is_ended(ns: Namespace) -> None:
    ns.apply(pod("late", activeDeadlineSeconds=3))
    found = ns.until("late", lambda p: p["status"]["phase"] == "Failed")
    assert found["status"]["reason"] == "DeadlineExceeded"


def test_a_termination_message_is_the_file_or_the_end_of_the_log(ns: Namespace) -> None:
    ns.apply(pod("file", "echo because > /dev/termination-log; exit 3"))
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    ns.apply(pod("log", "echo last words; exit 3", main=fallback))
    for name, message in (("file", "because\n"), ("log", "last words\n")):
        found = ns.until(name, lambda p: p["status"]["phase"] == "Failed")
        assert container(found)["state"]["terminated"]["message"] == message


def test_a_container_that_fails_is_started_again_with_a_back_off(ns: Namespace) -> None:
    ns.apply(pod("loop", "exit 1", restartPolicy="Always"))
    found = ns.until("loop", lambda p: container(p).get("restartCount", 0) >= 2)
    assert container(found)["lastState"]["terminated"]["exitCode"] == 1
    ns.until("loop", lambda p: _waiting(container(p)) == "CrashLoopBackOff")


def _waiting(status: dict[str, object]) -> str:
    state: dict[str, dict[str, str]] = status.get("state", {})  # type: ignore[assignment]
    return state.get("waiting", {}).get("reason", "")


@pytest.mark.bounded
def test_a_command_that_does_not_exist_is_a_start_error_with_its_name(ns: Namespace) -> None:
    ns.apply(pod("missing", ["/no/such/program"]))
    found = ns.until("missing", lambda p: "terminated" in container(p).get("state", {}))
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]


def test_a_missing_image_is_reported(ns: Namespace) -> None:
    ns.apply(pod("nowhere", main={"image": "127.0.0.1:5000/no/such:1"}))
    found = ns.until(
        "nowhere", lambda p: _waiting(container(p)) in ("ErrImagePull", "ImagePullBackOff")
    )
    assert "no/such" in container(found)["state"]["waiting"]["message"]
