"""The process: arguments, environment, directory, and an exec's process."""

from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import process
from cri_shim.spec.host import Host
from cri_shim.spec.image_config import ImageConfig

IMAGE = ImageConfig(entrypoint=("/entry",), cmd=("default",))
SPEC = {
    "process": {
        "terminal": True,
        "consoleSize": {"width": 1, "height": 1},
        "user": {"uid": 1, "gid": 2, "additionalGids": [2]},
        "args": ["/entry"],
        "env": ["PATH=/bin", "HOME=/"],
        "cwd": "/srv",
        "capabilities": {"bounding": ["CAP_KILL"]},
        "noNewPrivileges": True,
        "apparmorProfile": "some-profile",
        "selinuxLabel": "some-label",
        "oomScoreAdj": 10,
    }
}


def config(**fields: Any) -> api_pb2.ContainerConfig:
    return api_pb2.ContainerConfig(**fields)


def environment(
    image: ImageConfig = IMAGE, hostname: str = "web", home: str = "", **fields: Any
) -> dict[str, str]:
    entries = process.environment(config(**fields), image, hostname, home)
    return dict(entry.split("=", 1) for entry in entries)


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], ["/entry", "default"]),
        ([], ["a"], ["/entry", "a"]),
        (["c"], [], ["c"]),
        (["c"], ["a"], ["c", "a"]),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd_as_kubernetes_says(
    command: list[str], args: list[str], expected: list[str]
) -> None:
    assert process.arguments(config(command=command, args=args), IMAGE) == expected


def test_an_image_with_cmd_alone_runs_it() -> None:
    assert process.arguments(config(), ImageConfig(cmd=("sh",))) == ["sh"]


def test_a_container_without_any_command_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no ENTRYPOINT and no CMD") as caught:
        process.arguments(config(), ImageConfig())

    assert caught.value.field == "config.command"


def test_the_default_environment_is_path_hostname_and_home() -> None:
    found = environment()

    assert found == {"PATH": process.DEFAULT_PATH, "HOSTNAME": "web", "HOME": "/"}


def test_the_image_replaces_defaults_and_the_request_replaces_the_image() -> None:
    image = ImageConfig(env=("PATH=/bin", "A=1", "B=x=y"))

    found = environment(image, envs=[{"key": "A", "value": b"2"}, {"key": "HOSTNAME"}])

    assert found == {"PATH": "/bin", "A": "2", "B": "x=y", "HOSTNAME": "", "HOME": "/"}


def test_a_terminal_sets_term_unless_it_is_set() -> None:
    assert environment(tty=True)["TERM"] == "xterm"
    assert environment(tty=True, envs=[{"key": "TERM", "value": b"vt100"}])["TERM"] == "vt100"


def test_home_is_of_passwd_unless_the_environment_has_one() -> None:
    assert environment(home="/home/app")["HOME"] == "/home/app"
    assert environment(ImageConfig(env=("HOME=/data",)), home="/home/app")["HOME"] == "/data"


def test_a_value_that_is_no_utf8_still_gives_a_document() -> None:
    found = environment(envs=[{"key": "RAW", "value": b"a\xffb\xc3\xa9"}])

    assert found["RAW"] == "a\ufffdb\u00e9"


@pytest.mark.parametrize(
    ("asked", "of_image", "expected"),
    [("", "", "/"), ("", "/srv", "/srv"), ("", "srv", "/srv"), ("/tmp", "/srv", "/tmp")],
)
def test_the_directory_is_the_requests_or_the_images_or_the_root(
    asked: str, of_image: str, expected: str
) -> None:
    image = ImageConfig(working_dir=of_image)

    assert process.working_directory(config(working_dir=asked), image) == expected


def test_an_exec_is_the_containers_process_with_its_own_arguments() -> None:
    found = process.exec_process(SPEC, ["ls", "-l"], tty=False)

    kept = ("user", "env", "cwd", "capabilities", "noNewPrivileges")
    labels = ("apparmorProfile", "selinuxLabel")
    assert {key: found[key] for key in (*kept, *labels)} == {
        key: SPEC["process"][key] for key in (*kept, *labels)
    }
    assert set(found) == {*kept, *labels, "oomScoreAdj", "terminal", "args"}
    assert (found["terminal"], found["args"]) == (False, ["ls", "-l"])


def test_an_exec_with_a_terminal_has_a_term() -> None:
    found = process.exec_process(SPEC, ["sh"], tty=True)

    assert found["terminal"]
    assert found["env"] == ["PATH=/bin", "HOME=/", "TERM=xterm"]


def test_an_exec_does_not_change_the_containers_document() -> None:
    process.exec_process(SPEC, ["sh"], tty=True)["env"].append("X=1")

    assert SPEC["process"]["env"] == ["PATH=/bin", "HOME=/"]


def test_a_program_or_a_directory_that_no_path_can_name_is_refused() -> None:
    longest = "/" + "x" * 4094
    assert process.arguments(config(command=[longest]), IMAGE) == [longest]
    too_long = longest + "x"
    for command, image in (([too_long], IMAGE), ([], ImageConfig(entrypoint=(too_long,)))):
        with pytest.raises(InvalidArgument, match="longer than 4095 bytes"):
            process.arguments(config(command=command), image)
    with pytest.raises(InvalidArgument, match="longer than 4095 bytes"):
        process.working_directory(config(), ImageConfig(working_dir=too_long))


@pytest.mark.parametrize(
    ("inherited", "expected"),
    [
        (None, {}),
        ((1024, 4096), {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}]}),
    ],
)
def test_where_the_daemon_has_raised_its_limit_of_open_files_the_old_one_is_named(
    inherited: tuple[int, int] | None, expected: dict[str, Any]
) -> None:
    host = Host(cgroup_v2=True, bounding=frozenset(), open_files=inherited)
    assert process.limits(host) == expected


def test_an_exec_has_the_limits_of_its_container() -> None:
    limits = [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}]
    spec = {"process": {**SPEC["process"], "rlimits": limits}}
    assert process.exec_process(spec, ["true"], tty=False)["rlimits"] == limits


def test_the_nodes_limits_are_in_the_document_and_replace_the_daemons() -> None:
    host = Host(cgroup_v2=True, bounding=frozenset(), open_files=(1024, 4096))
    found = process.limits(host, {"RLIMIT_NPROC": (5, 6), "RLIMIT_NOFILE": (7, 8)})
    assert found == {
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": 7, "hard": 8},
            {"type": "RLIMIT_NPROC", "soft": 5, "hard": 6},
        ]
    }


def test_image_and_request_win_over_the_nodes_environment() -> None:
    asked = config(envs=[{"key": "B", "value": b"request"}])
    node = {"A": "node", "B": "node", "C": "node", "PATH": "/node"}
    image = ImageConfig(env=("A=image",))
    found = process.environment(asked, image, "web", "", node)
    assert found == ["PATH=/node", "HOSTNAME=web", "A=image", "B=request", "C=node", "HOME=/"]
