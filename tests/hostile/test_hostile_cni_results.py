"""A CNI plugin that answers what no plugin should: RunPodSandbox refuses it and leaves nothing."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

# ADD answers with the file `answer` beside it, and fails if there is `failing`; DEL is noted.
PLUGIN = f"""#!{sys.executable} -IS
import json, os, sys
from pathlib import Path
here = Path(sys.argv[0]).parent
verb = os.environ["CNI_COMMAND"]
if verb == "VERSION":
    print(json.dumps({{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}}))
elif verb == "ADD":
    sys.stdout.buffer.write((here / "answer").read_bytes())
    sys.stderr.buffer.write((here / "stderr").read_bytes())
    sys.exit((here / "failing").exists())
elif verb == "DEL":
    with (here / "deleted").open("a") as log:
        log.write(os.environ["CNI_CONTAINERID"] + "\\n")
"""
MEGABYTES = 10 << 20
GOOD = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/x"}],
    "ips": [{"address": "10.9.0.2/24", "interface": 1}],
}
HOSTS_END = GOOD | {"ips": [{"address": "10.9.0.1/24", "interface": 0}]}


class Odd:
    """The answer that the plugin of a test gives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def answers(self, document: Any, *, fails: bool = False, stderr: bytes = b"") -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (self.directory / "answer").write_bytes(data)
        (self.directory / "stderr").write_bytes(stderr)
        (self.directory / "failing").unlink(missing_ok=True)
        if fails:
            (self.directory / "failing").touch()

    def deleted(self) -> int:
        log = self.directory / "deleted"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plugins")
    (directory / "odd").write_text(PLUGIN)
    (directory / "odd").chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def daemon(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    conf_dir = tmp_path_factory.mktemp("net.d")
    document = {"cniVersion": "1.0.0", "name": "oddnet", "plugins": [{"type": "odd"}]}
    (conf_dir / "10-odd.conflist").write_text(json.dumps(document))
    settings = {"cni_plugin_dir": str(place), "cni_config_dir": str(conf_dir)}
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
def odd(place: Path) -> Odd:
    return Odd(place)


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


async def refusal(cri: Cri) -> str:
    with pytest.raises(ToolFailed) as refused:  # INTERNAL would be another kind
        await cri.run_pod()
    assert await cri.pods() == []
    text = str(refused.value)
    assert text.isprintable()
    assert len(text) < 6000
    return text


@pytest.mark.parametrize(
    "answer",
    [
        GOOD | {"ips": []},
        GOOD | {"ips": None},
        {"cniVersion": "1.0.0"},
        {"cniVersion": "0.2.0", "ip4": None},
        HOSTS_END,
        GOOD | {"ips": [{"address": "127.0.0.1/8", "interface": 1}]},
        GOOD | {"ips": [{"address": "::/0"}]},
    ],
)
async def test_a_network_that_gives_a_pod_no_address_is_refused_and_undone(
    cri: Cri, odd: Odd, answer: dict[str, Any]
) -> None:
    odd.answers(answer)
    before = odd.deleted()
    text = await refusal(cri)
    assert "network oddnet gave pod" in text
    assert '"cniVersion":"1.0.0"' in text
    assert "correct the `ipam`" in text
    assert odd.deleted() > before


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"a":' * 2000,
        b"9" * 5000,
        b'{"cniVersion": "1.0.0", "ips": 5}',
        b'{"cniVersion": 5}',
        b'{"ips": [[]], "interfaces": 7}',
        b'{"x": 1e999}',
        b'{"x": "\\ud800"}',
        b"\xff\xfe\x00",
        GOOD | {"ips": [{"address": "10.9.0.2/24\n6.6.6.6 registry"}]},
        GOOD | {"ips": [{"address": "10.9.0.2\n6.6.6.6 registry/24"}]},
        GOOD | {"ips": [{"address": "fe80::1%a\nb/64"}]},
        GOOD | {"ips": [{"address": ["10.9.0.2/24"]}]},
        GOOD | {"ips": [{"address": "10.9.0.2/24", "interface": "1"}]},
        GOOD | {"ips": [{"address": "10.9.0.2/24", "interface": 2**70}]},
        GOOD | {"interfaces": [{"name": "a\x1b[31mb\n"}] * 2},
        GOOD | {"vendor": "x" * MEGABYTES},
        GOOD | {"ips": [{"address": "10.9.0.2/24"}] * 100_000},
    ],
    ids=range(21),
)
async def test_a_malformed_result_is_refused_with_a_sentence(
    cri: Cri, odd: Odd, answer: bytes | dict[str, Any]
) -> None:
    odd.answers(answer)
    before = odd.deleted()
    text = await refusal(cri)
    assert "CNI plugin odd: ADD of network oddnet for pod" in text
    assert "its result is unreadable" in text
    assert odd.deleted() > before


@pytest.mark.parametrize(
    ("answer", "stderr"),
    [
        (json.dumps({"code": 11, "msg": "a\x1b[2Jb\nc" * 10}).encode(), b""),
        (json.dumps({"code": 11, "msg": "m" * MEGABYTES}).encode(), b""),
        (b'{"code": 1e999, "msg": "m"}', b""),
        (b'{"code": {}, "msg": ["a\\u001b"]}', b""),
        (b"", b"\x1b]0;title\x07\n\xff" * 1000),
        (b"", b"s" * MEGABYTES),
    ],
)
async def test_the_error_of_a_failing_plugin_is_a_bounded_line(
    cri: Cri, odd: Odd, daemon: Daemon, answer: bytes, stderr: bytes
) -> None:
    odd.answers(answer, fails=True, stderr=stderr)
    logged = daemon.log.stat().st_size
    assert "CNI plugin odd: ADD of network oddnet for pod" in await refusal(cri)
    said = daemon.log.read_bytes()[logged:]
    assert len(said) < 100_000
    assert b"\x1b" not in said


async def test_warnings_of_a_plugin_are_logged_without_escapes(
    cri: Cri, odd: Odd, daemon: Daemon
) -> None:
    odd.answers(GOOD, stderr=b"\x1b[31mwarning\x1b[0m\n<3>forged line\n" + b"s" * MEGABYTES)
    logged = daemon.log.stat().st_size
    pod = await cri.run_pod()
    assert (await cri.pod_status(pod)).network.ip == "10.9.0.2"
    said = daemon.log.read_bytes()[logged:].decode()
    assert "\\x1b[31mwarning" in said
    assert "\n<3>forged" not in said
    assert len(said) < 100_000


async def test_an_address_has_one_form_in_the_status_and_in_hosts(cri: Cri, odd: Odd) -> None:
    mapped = {"address": "::ffff:10.9.0.2/120", "interface": 1}
    odd.answers(GOOD | {"ips": [mapped, {"address": "FD00:0::5/64", "interface": 1}]})
    pod = await cri.run_pod()
    network = (await cri.pod_status(pod)).network
    assert (network.ip, [ip.ip for ip in network.additional_ips]) == ("10.9.0.2", ["fd00::5"])
    container = await cri.run(pod, ["sleep", "60"])
    hosts = (await cri.sh(container, "cat /etc/hosts")).splitlines()
    assert [line.split("\t")[0] for line in hosts[-2:]] == ["10.9.0.2", "fd00::5"]
