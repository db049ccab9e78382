"""ExecSync: a command in a running container, to its end."""

import asyncio

import pytest

from cri_shim.errors import CriShimError, NotFound, TimedOut, WrongState
from tests.fixtures.cri import Cri, container_config


async def test_output_streams_and_exit_code_are_returned(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "60"])
    answer = await cri.exec(container, "sh", "-c", "echo out; echo err >&2; exit 4")
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 4)


async def test_a_command_runs_with_the_user_and_settings_of_its_container(cri: Cri) -> None:
    config = container_config(["sleep", "60"], working_dir="/var")
    config.envs.add(key="COLOR", value=b"blue")
    config.linux.security_context.run_as_user.value = 1000
    pod = await cri.run_pod()
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, "id -u; pwd; echo $COLOR") == "1000\n/var\nblue\n"


async def test_a_timed_out_command_is_gone_with_its_children(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "60"])
    with pytest.raises(TimedOut, match="timed out after 1 s"):
        await cri.exec(container, "sh", "-c", "sleep 777 & sleep 778", timeout=1)
    assert (
        "77"
        not in (await cri.exec(container, "sh", "-c", "ps | grep '[s]leep 77'")).stdout.decode()
    )


async def test_a_background_child_that_keeps_stdout_does_not_delay_the_answer(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    async with asyncio.timeout(5):
        answer = await cri.exec(container, "sh", "-c", "sleep 60 & echo done")
    assert (answer.stdout, answer.exit_code) == (b"done\n", 0)


async def test_output_beyond_the_message_size_is_cut_and_the_command_continues(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    zeros = "head -c 15000000 /dev/zero"
    script = f"{zeros}; {zeros} >&2; {zeros}; echo end > /tmp/end; exit 3"
    answer = await cri.exec(container, "sh", "-c", script, timeout=60)
    assert answer.exit_code == 3
    assert 15 << 20 < len(answer.stdout) + len(answer.stderr) < 16 << 20
    assert len(answer.stdout) == 15_000_000
    assert await cri.sh(container, "cat /tmp/end") == "end\n"


async def test_a_command_that_cannot_be_executed_is_an_error_that_names_it(
    cri: Cri, handler: str
) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "60"])
    with pytest.raises(CriShimError, match="nosuchprogram"):
        await cri.exec(container, "nosuchprogram")


async def test_exec_needs_a_running_container(cri: Cri) -> None:
    pod = await cri.run_pod()
    created = await cri.create(pod, container_config(["true"]))
    with pytest.raises(WrongState, match="is not running"):
        await cri.exec(created, "true")
    with pytest.raises(NotFound):
        await cri.exec("e" * 64, "true")


async def test_a_hundred_commands_at_once_all_answer(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "60"])
    answers = await asyncio.gather(
        *(cri.exec(container, "sh", "-c", f"echo {n}", timeout=60) for n in range(100))
    )
    assert [a.stdout for a in answers] == [f"{n}\n".encode() for n in range(100)]
