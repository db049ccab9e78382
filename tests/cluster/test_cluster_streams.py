"""exec, attach, cp, port-forward and logs, by kubectl through API server and kubelet."""

import gzip
import itertools
import os
import subprocess
import termios
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.kubectl import MOUNT, SERVE, STAY, Namespace, container, eventually, pod, volume


@pytest.mark.bounded
def test_exec_passes_input_output_and_the_exit_code(ns: Namespace) -> None:
    ns.start(pod("e"))
    assert ns.exec("e", "cat", stdin="through\n") == "through\n"
    words = ["kubectl", "-n", ns.name, "exec", "e", "--", "sh", "-c", "echo err >&2; exit 9"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9
    assert "err\n" in done.stderr


def test_exec_carries_megabytes_unchanged(ns: Namespace) -> None:
    ns.start(pod("e"))
    data = "0123456789abcdef" * (1 << 16)
    assert ns.exec("e", "cat", stdin=data) == data


def test_attach_sees_what_the_container_writes(ns: Namespace) -> None:
    ns.start(pod("a", "while :; do echo tick; sleep 0.2; done"))
    words = ["kubectl", "-n", ns.name, "attach", "a"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "tick\n"
        client.terminate()


def test_attach_gives_the_container_its_input(ns: Namespace) -> None:
    script = "read line; echo got $line; sleep 1"
    ns.start(pod("a", script, main={"stdin": True, "stdinOnce": True}))
    assert "got it\n" in ns("it\n", "attach", "-i", "a")
    found = ns.until("a", lambda p: "terminated" in container(p)["state"])
    assert container(found)["state"]["terminated"]["exitCode"] == 0


@pytest.mark.bounded
def test_a_terminal_has_the_size_of_the_clients_one(ns: Namespace) -> None:
    ns.start(pod("t"))
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (33, 101))
    words = ["kubectl", "-n", ns.name, "exec", "-it", "t", "--"]
    script = "while ! busybox stty size | grep '33 101'; do usleep 100000; done; exit 4"
    with subprocess.Popen([*words, "sh", "-c", script], stdin=theirs, stdout=theirs) as client:
        os.close(theirs)
        assert client.wait(timeout=60) == 4
    assert b"33 101" in os.read(ours, 1000)
    os.close(ours)


def test_cp_copies_both_ways(ns: Namespace, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("copied\n")
    ns.start(pod("c"))
    ns.run("cp", str(tmp_path / "in"), "c:/tmp/f")
    ns.run("cp", "c:/tmp/f", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "copied\n"


@pytest.mark.bounded
def test_port_forward_reaches_a_server_in_the_pod(ns: Namespace) -> None:
    ns.start(pod("p", f"mkdir /w; echo page > /w/index.html; {SERVE}"))
    words = ["kubectl", "-n", ns.name, "port-forward", "p", "18080:8080"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        client.stdout.readline()
        with urllib.request.urlopen("http://127.0.0.1:18080/index.html", timeout=20) as answer:
            assert answer.read() == b"page\n"
        client.terminate()


@pytest.mark.bounded
def test_logs_follow_a_container_until_it_ends(ns: Namespace) -> None:
    ns.apply(pod("l", "for n in 1 2 3; do echo $n; sleep 1; done"))
    eventually(lambda: ns.run("logs", "l", check=False).startswith("1"))
    assert ns.run("logs", "-f", "l") == "1\n2\n3\n"
    assert ns.run("logs", "--tail=1", "l") == "3\n"
    assert ns.run("logs", "--timestamps", "--tail=1", "l").endswith("Z 3\n")


def test_logs_of_the_previous_container_stay(ns: Namespace) -> None:
    script = f"test -e /v/again && {{ echo second; {STAY}; }}; touch /v/again; echo first; exit 1"
    ns.apply(pod("l", script, main=MOUNT, volumes=volume(emptyDir={}), restartPolicy="Always"))
    eventually(lambda: ns.run("logs", "l", check=False) == "second\n")
    assert ns.run("logs", "--previous", "l") == "first\n"


def test_a_log_is_rotated_while_it_is_written_and_no_line_is_lost(ns: Namespace) -> None:
    lines = 6000  # of 200 bytes in some 10 s: several times the limit of 200 KiB
    script = (
        f"pad=$(head -c 180 /dev/zero | tr '\\0' x); i=0; while test $i -lt {lines}; do i=$((i+1));"
        f" echo $i $pad; test $((i % 60)) = 0 && usleep 100000; done; {STAY}"
    )
    found = ns.start(pod("r", script))
    directory = Path(ns.place / "pods", f"{ns.name}_r_{found['metadata']['uid']}", "main")
    words = ["kubectl", "-n", ns.name, "logs", "-f", "r"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        followed = (int(line.split()[0]) for line in client.stdout)
        assert list(itertools.takewhile(lambda n: n < lines, followed)) == list(range(1, lines))
        client.terminate()
    eventually(lambda: lines in _numbers(directory))
    eventually(lambda: len(list(directory.glob("0.log.*"))) >= 2)
    numbers = _numbers(directory)
    assert numbers == list(range(numbers[0], lines + 1))


def _numbers(directory: Path) -> list[int]:
    """The first word of each line in the log and its rotated parts, oldest first."""
    found: list[int] = []
    whole = True
    try:
        for file in [*sorted(directory.glob("0.log.*")), directory / "0.log"]:
            data = file.read_bytes()
            text = gzip.decompress(data) if file.suffix == ".gz" else data
            for line in text.splitlines():
                _, _, tag, word, *_ = line.split()
                if whole:
                    found.append(int(word))
                whole = tag == b"F"  # a line may be in several parts
    except FileNotFoundError:  # it is being rotated
        return []
    return found


def test_a_slow_reader_of_logs_loses_nothing(ns: Namespace) -> None:
    ns.apply(pod("s", "i=0; while test $i -lt 2000; do i=$((i+1)); echo $i; done; sleep 3"))
    ns.until("s", lambda p: p["status"]["phase"] in ("Running", "Succeeded"))
    words = ["kubectl", "-n", ns.name, "logs", "-f", "s"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        time.sleep(1)
        assert client.stdout.read().splitlines() == [str(n) for n in range(1, 2001)]
