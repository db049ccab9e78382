"""Standard streams that a program opens by name, as images do that log to /dev/stdout."""

from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, log_lines, pod_config

MAPPING = {"container_id": 0, "host_id": 100000, "length": 65536}
USERNS = {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]}
BY_NAME = "echo out > /dev/stdout; echo err > /dev/stderr"
ECHO = "cat < /dev/stdin > /dev/stdout"


@pytest.fixture(params=["spdy"])
def transport(request: pytest.FixtureRequest) -> str:
    """The wire protocol makes no difference here."""
    return str(request.param)


@pytest.fixture(params=[{}, {"userns_options": USERNS}], ids=["node", "userns"])
def options(request: pytest.FixtureRequest) -> api.NamespaceOption:
    """Without and with a user namespace."""
    more: dict[str, Any] = request.param
    return api.NamespaceOption(pid=api.CONTAINER, **more)


@pytest.fixture
async def pod(cri: Cri, handler: str, options: api.NamespaceOption) -> str:
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=options)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    return await cri.run_pod(pod_config(cri.daemon, linux=linux), handler)


@pytest.fixture(params=[0, 1000], ids=["root", "user"])
def inside(
    request: pytest.FixtureRequest, options: api.NamespaceOption
) -> api.LinuxContainerConfig:
    """As root, and as another user."""
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    context.run_as_user.value = request.param
    return api.LinuxContainerConfig(security_context=context)


@pytest.fixture
async def container(cri: Cri, pod: str, inside: api.LinuxContainerConfig) -> str:
    return await cri.run(pod, ["sleep", "1000"], linux=inside)


async def test_the_program_of_a_container_opens_its_streams_by_name(
    cri: Cri, pod: str, inside: api.LinuxContainerConfig
) -> None:
    script = f"{BY_NAME}; {ECHO}"  # there is nothing to be read
    ended = await cri.exited(await cri.run(pod, ["sh", "-c", script], linux=inside))
    assert (ended.exit_code, log_lines(ended)) == (0, ["out", "err"])


async def test_the_program_of_a_container_with_a_terminal_opens_its_streams_by_name(
    cri: Cri, pod: str, inside: api.LinuxContainerConfig
) -> None:
    ended = await cri.exited(await cri.run(pod, ["sh", "-c", BY_NAME], linux=inside, tty=True))
    assert (ended.exit_code, log_lines(ended)) == (0, ["out", "err"])


async def test_the_program_of_a_container_with_input_opens_its_streams_by_name(
    cri: Cri, pod: str, inside: api.LinuxContainerConfig, attach: Any
) -> None:
    config = container_config(["sh", "-c", ECHO], linux=inside, stdin=True, stdin_once=True)
    container = await cri.create(pod, config)
    await cri.start(container)
    talker = await attach(container, stdin=True)
    await talker.send(b"line\n")
    await talker.end_input()
    ended = await cri.exited(container)
    assert (ended.exit_code, log_lines(ended)) == (0, ["line"])


async def test_an_exec_sync_command_opens_its_streams_by_name(cri: Cri, container: str) -> None:
    answer = await cri.exec(container, "sh", "-c", f"{BY_NAME}; {ECHO}")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, b"out\n", b"err\n")


async def test_an_interactive_command_opens_its_streams_by_name(container: str, exec: Any) -> None:
    talker = await exec(container, "sh", "-c", f"{BY_NAME}; {ECHO}", stdin=True)
    await talker.send(b"line\n")
    await talker.end_input()
    assert await talker.code() == 0
    assert (talker.text("stdout"), talker.text("stderr")) == (b"out\nline\n", b"err\n")


async def test_a_command_with_a_terminal_opens_its_streams_by_name(
    container: str, exec: Any
) -> None:
    talker = await exec(container, "sh", "-c", BY_NAME, stdin=True, tty=True)
    assert await talker.code() == 0
    assert talker.text("stdout") == b"out\r\nerr\r\n"
