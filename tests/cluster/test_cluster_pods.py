"""The life of pods: init, sidecar and ephemeral containers, hooks, termination, restarts."""

from pathlib import Path

from tests.cluster.kubectl import Namespace, container, eventually, pod


def test_a_pod_runs_to_its_end_and_its_log_is_there(ns: Namespace) -> None:
    assert ns.finish(pod("hello", "echo hello; hostname")) == "hello\nhello\n"


def test_the_exit_code_and_the_reason_of_a_failure_are_told(ns: Namespace) -> None:
    ns.apply(pod("fails", "exit 7"))
    found = ns.until("fails", lambda p: p["status"]["phase"] == "Failed")
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")


def test_init_containers_run_one_after_another_before_the_others(ns: Namespace) -> None:
    volume = {"name": "v", "emptyDir": {}}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    init = [
        pod("x", f"echo {n} >> /v/order", main={"name": f"init{n}", **mount})["spec"]["containers"][
            0
        ]
        for n in (1, 2)
    ]
    log = ns.finish(pod("init", "cat /v/order", main=mount, initContainers=init, volumes=[volume]))
    assert log == "1\n2\n"


def test_a_restartable_init_container_runs_beside_the_main_one_and_ends_after_it(
    ns: Namespace,
) -> None:
    sidecar = pod("x", "echo up > /v/up; while :; do sleep 0.1; done")["spec"]["containers"][0]
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    sidecar |= {"name": "side", "restartPolicy": "Always", **mount}
    script = "while ! test -e /v/up; do sleep 0.1; done; echo saw it"
    log = ns.finish(
        pod(
            "side", script, main=mount, initContainers=[sidecar],
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )  # fmt: skip
    assert log == "saw it\n"


def test_an_ephemeral_container_joins_a_running_pod(ns: Namespace) -> None:
    ns.start(pod("target", "sleep 3600"))
    image = container(ns.get("pod", "target"))["image"]
    ns.run("debug", "target", f"--image={image}", "--container=dbg", "--", "sh", "-c", "echo seen")
    eventually(lambda: "seen" in ns.run("logs", "target", "-c", "dbg", check=False))


def test_post_start_and_pre_stop_hooks_run(ns: Namespace, tmp_path: Path) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /v/start"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopped > /v/stop"]}},
    }
    main = {"lifecycle": hooks, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path)}}]
    ns.start(pod("hooks", main=main, volumes=volumes, terminationGracePeriodSeconds=30))
    assert (tmp_path / "start").read_text() == "started\n"
    ns.run("delete", "pod", "hooks")
    assert (tmp_path / "stop").read_text() == "stopped\n"


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


def test_a_command_that_does_not_exist_is_a_start_error_with_its_name(ns: Namespace) -> None:
    ns.apply(pod("missing", ["/no/such/program"]))
    found = ns.until("missing", lambda p: "terminated" in container(p).get("state", {}))
    ended = container(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]


def test_an_image_that_does_not_exist_is_told(ns: Namespace) -> None:
    ns.apply(pod("nowhere", main={"image": "127.0.0.1:5000/no/such:1"}))
    found = ns.until(
        "nowhere", lambda p: _waiting(container(p)) in ("ErrImagePull", "ImagePullBackOff")
    )
    assert "no/such" in container(found)["state"]["waiting"]["message"]
