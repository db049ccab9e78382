"""One call of one plugin."""

import asyncio
import os
from pathlib import Path

import pytest

from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.network import exec as plugin_exec
from cri_shim.network.exec import PluginError, Plugins, Target


async def call(plugins: Plugins, verb: str = "ADD", timeout: float = 10, **keys) -> bytes:
    target = Target("abc", "/n", "eth0", "K=V")
    return await plugins.call(
        verb, {"type": "fake", "mtu": 1}, network="net", version="1.0.0",
        target=target, timeout=timeout, **keys,
    )  # fmt: skip


async def test_a_plugin_gets_its_environment_and_its_object_on_standard_input(fakes, monkeypatch):
    fakes.make("fake")
    monkeypatch.setenv("CNI_ARGS", "inherited")
    plugins = Plugins([fakes.directory / "none", fakes.directory])

    await call(plugins, extra={"prevResult": {"ips": []}})

    assert fakes.env("ADD", "fake") == {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "abc", "CNI_NETNS": "/n", "CNI_IFNAME": "eth0",
        "CNI_ARGS": "K=V", "CNI_PATH": f"{fakes.directory}/none:{fakes.directory}",
    }  # fmt: skip
    assert fakes.stdin("ADD", "fake") == {
        "type": "fake", "mtu": 1, "name": "net", "cniVersion": "1.0.0", "prevResult": {"ips": []},
    }  # fmt: skip


async def test_the_error_object_of_a_plugin_becomes_our_error(fakes):
    fakes.make(
        "fake", ADD="""echo '{"code": 11, "msg": "no address", "details": "all taken"}'; exit 1"""
    )

    with pytest.raises(PluginError) as failure:
        await call(Plugins([fakes.directory]))

    assert failure.value.code == 11
    assert str(failure.value) == (
        "CNI plugin fake: ADD of network net for pod abc: no address: all taken (code 11)"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo 'panic: nil map' >&2; exit 2", "panic: nil map (exit status 2)"),
        ("echo 'not json'; exit 1", "not json (exit status 1)"),
        ("echo '[]'; exit 1", "[] (exit status 1)"),
        ("exit 3", "no message (exit status 3)"),
        ("kill -9 $$", "no message (killed by signal 9)"),
        ("""echo '{"code": 1e999, "msg": "m"}'; exit 1""", "(exit status 1)"),
        (
            "printf '\\033[31mred\\nnext\\377' >&2; exit 2",
            "\\x1b[31mred\\nnext\N{REPLACEMENT CHARACTER} (exit status 2)",
        ),
        (
            "head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 2",
            "x" * 2000 + " (exit status 2)",
        ),
    ],
)
async def test_a_failure_without_an_error_object_has_the_plugins_output(fakes, answer, said):
    fakes.make("fake", ADD=answer)

    with pytest.raises(PluginError) as failure:
        await call(Plugins([fakes.directory]))

    assert str(failure.value).endswith(said)


async def test_a_missing_plugin_is_named_with_the_directories_searched(fakes):
    with pytest.raises(ToolFailed) as failure:
        await call(Plugins([fakes.directory, fakes.directory / "other"]))

    assert str(failure.value) == (
        f"CNI plugin fake is not installed (looked in {fakes.directory}, {fakes.directory}/other)"
    )


async def test_after_its_time_the_plugin_and_its_processes_are_killed(fakes, tmp_path):
    fakes.make("fake", ADD=f"sleep 60 & echo $! > {tmp_path}/pid; wait")

    with pytest.raises(TimedOut, match=r"ADD of network net for pod abc did not end within 0.3 s"):
        await call(Plugins([fakes.directory]), timeout=0.3)

    assert not running(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_call_leaves_no_process(fakes, tmp_path):
    os.mkfifo(tmp_path / "started")
    fakes.make("fake", ADD=f"sleep 60 & echo $! > {tmp_path}/started; wait")
    task = asyncio.create_task(call(Plugins([fakes.directory])))
    pid = int(await asyncio.to_thread((tmp_path / "started").read_text))

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert not running(pid)


async def test_a_binary_that_is_being_written_is_tried_again(fakes, monkeypatch):
    path = fakes.make("fake")
    monkeypatch.setattr(plugin_exec, "BUSY_PAUSE_S", 0.01)
    writer = path.open("ab")  # an open writer makes exec fail with ETXTBSY
    asyncio.get_running_loop().call_later(0.015, writer.close)

    assert b"10.9.0.2" in await call(Plugins([fakes.directory]))


async def test_the_versions_of_a_plugin_are_requested_once_per_binary(fakes):
    path = fakes.make("fake", versions=["0.4.0", "1.0.0"])
    plugins = Plugins([fakes.directory])
    assert await plugins.supported_versions("fake") == {"0.4.0", "1.0.0"}
    (fakes.directory.parent / "calls").unlink()

    assert await plugins.supported_versions("fake") == {"0.4.0", "1.0.0"}
    assert not (fakes.directory.parent / "calls").exists()

    path.unlink()
    fakes.make("fake", versions=["1.0.0", "1.1.0"])
    assert await plugins.supported_versions("fake") == {"1.0.0", "1.1.0"}


async def test_a_plugin_without_the_version_command_supports_the_first_version(fakes):
    answer = """echo '{"code": 4, "msg": "unknown CNI_COMMAND: VERSION"}'; exit 1"""
    fakes.make("fake", VERSION=answer)

    assert await Plugins([fakes.directory]).supported_versions("fake") == {"0.1.0"}


async def test_other_declarations_of_a_plugin_are_ignored(fakes):
    fakes.make("fake", versions=["1.0.0", "2.0-rc1", "", 5, "x y"])

    assert await Plugins([fakes.directory]).supported_versions("fake") == {"0.1.0", "1.0.0"}


async def test_an_unreadable_answer_to_version_is_an_error_that_names_the_plugin(fakes):
    fakes.make("fake", VERSION="echo hello")

    with pytest.raises(ToolFailed, match="CNI plugin fake: its answer to VERSION"):
        await Plugins([fakes.directory]).supported_versions("fake")


def running(pid: int) -> bool:
    """Whether a process still has open files: one that is just dying has not."""
    try:
        return any(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
