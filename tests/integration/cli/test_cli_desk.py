"""The page of a node with a real daemon: what it shows, and who cannot read it."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cri_shim.cli.exit_codes import NO_DAEMON
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon

LIMIT_S = 60.0


@contextmanager
def desk(daemon: Daemon) -> Iterator[str]:
    """Run the command, and yield the URL that it prints."""
    command = [*daemon.command()[:-1], "desk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 128 + signal.SIGINT


def first_event(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}events", timeout=LIMIT_S) as stream:
        assert stream.readline() == b"event: facts\n"
        return dict(json.loads(stream.readline().removeprefix(b"data: ")))


async def test_the_page_has_pods_with_their_containers_and_every_other_part(
    daemon: Daemon, cri: Cri
) -> None:
    pod = await cri.run_pod()
    await cri.run(pod, ["sleep", "600"])

    with desk(daemon) as url:
        facts = first_event(url)

    (shown,) = facts["pods"]
    assert (shown["id"], shown["state"]) == (pod, "Ready")
    assert [each["state"] for each in shown["containers"]] == ["Running"]
    assert facts["node"]["daemon"]["pid"] == daemon.pid
    for part in ("pulls", "sessions", "leaks"):
        assert facts[part] == [], part
    assert [each["result"] for each in facts["starts"]][:1] == ["started"]


def test_the_page_is_only_for_those_who_have_its_url(daemon: Daemon) -> None:
    with desk(daemon) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", url)
        with urllib.request.urlopen(url, timeout=LIMIT_S) as page:
            assert b"<h1>cri-shim</h1>" in page.read()
        port = url.split("/")[2]
        for wrong, host, code in (
            (f"http://{port}/", "", 404),
            (f"http://{port}/guess/", "", 404),
            (url, "evil.example", 421),
        ):
            request = urllib.request.Request(wrong, headers={"Host": host} if host else {})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=LIMIT_S)
            assert refused.value.code == code
            refused.value.close()


def test_without_a_daemon_it_says_so_in_one_sentence(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "cri_shim", "--socket", "/nowhere/cri.sock", "desk"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)

    assert done.returncode == NO_DAEMON
    (line,) = done.stderr.splitlines()
    assert line.startswith("cri-shim: no daemon answers on /nowhere/cri.sock")


def test_a_port_in_use_is_named(daemon: Daemon) -> None:
    with desk(daemon) as url:
        port = url.split(":")[2].split("/")[0]
        command = [*daemon.command()[:-1], "desk", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)

    assert done.returncode == 1
    assert (
        done.stderr == f"cri-shim: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )
