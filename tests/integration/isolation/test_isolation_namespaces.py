"""Pinned namespaces, as pods have them."""

import fcntl
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio.child import run, spawn
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.isolation import namespaces, sysctls
from cri_shim.linux import mounts, nsenter, process, syscalls


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[dict[str, Path]]:
    yield {
        "net": tmp_path / "netns/cri-shim-test",
        "ipc": tmp_path / "pods/test/ns/ipc",
        "uts": tmp_path / "pods/test/ns/uts",
    }
    for path in mounts.mounts_below(tmp_path):
        mounts.unmount(path)


def own(kind: str) -> Path:
    """The identity of the calling thread's namespace."""
    return Path(f"/proc/thread-self/ns/{kind}").readlink()


def inside(pins: dict[str, Path], *command: str) -> list[str]:
    enter = [f"--{kind}={path}" for kind, path in pins.items()]
    return ["nsenter", *enter, *command]


async def test_a_pod_has_its_own_names_and_parameters(pins: dict[str, Path]) -> None:
    wanted = {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net/core/somaxconn": "77",
        "kernel.shm_rmid_forced": "1",
        "fs.mqueue.msg_max": "100",
        "kernel.domainname": "example",
    }
    here = {name: Path("/proc/sys", sysctls.path_of(name)).read_text() for name in wanted}
    namespaces.pin(pins, hostname="pod-1", sysctls=sysctls.parameters(wanted, pins))
    files = [f"/proc/sys/{sysctls.path_of(name)}" for name in wanted]
    seen = await run(inside(pins, "cat", "/proc/sys/kernel/hostname", *files))
    assert seen.stdout.decode().split() == ["pod-1", *wanted.values()]
    assert here == {name: Path("/proc/sys", sysctls.path_of(name)).read_text() for name in wanted}


async def test_the_loopback_interface_is_up_and_the_only_one(pins: dict[str, Path]) -> None:
    namespaces.pin(pins, hostname=None, sysctls={})
    links = (await run(inside(pins, "ip", "-o", "link"))).stdout.decode().splitlines()
    assert ["lo:" in line and "UP" in line for line in links] == [True]


def test_the_calling_process_keeps_its_namespaces(pins: dict[str, Path]) -> None:
    before = [own(kind) for kind in pins]
    threads = threading.active_count()
    namespaces.pin(pins, hostname="elsewhere", sysctls={})
    assert [own(kind) for kind in pins] == before
    assert socket.gethostname() != "elsewhere"
    assert threading.active_count() == threads


def test_pins_are_files_nobody_can_write_in_a_shared_directory(pins: dict[str, Path]) -> None:
    namespaces.pin(pins, hostname=None, sysctls={})
    assert [path.stat().st_mode & 0o777 for path in pins.values()] == [0o444] * 3
    assert [nsenter.is_pinned(path) for path in pins.values()] == [True] * 3
    assert mounts.propagation(mounts.mount_of(pins["net"])) == (True, False)


def test_many_pods_pin_at_once_in_a_new_directory(tmp_path: Path, pins: dict[str, Path]) -> None:
    paths = [tmp_path / f"netns/pod{n}" for n in range(12)]
    threads = [
        threading.Thread(
            target=namespaces.pin, args=({"net": path},), kwargs={"hostname": None, "sysctls": []}
        )
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [nsenter.is_pinned(path) for path in paths] == [True] * len(paths)
    assert mounts.mounts_below(tmp_path / "netns").count(tmp_path / "netns") == 1


def test_only_the_requested_namespaces_are_made(pins: dict[str, Path]) -> None:
    wanted = sysctls.parameters({"kernel.msgmni": "50"}, {"ipc"})
    namespaces.pin({"ipc": pins["ipc"]}, hostname=None, sysctls=wanted)
    assert nsenter.is_pinned(pins["ipc"])
    assert not nsenter.is_pinned(pins["net"])
    assert not pins["net"].parent.exists()


def test_a_host_name_without_a_namespace_of_its_own_is_refused(pins: dict[str, Path]) -> None:
    with pytest.raises(InvalidArgument, match="uts"):
        namespaces.pin({"net": pins["net"]}, hostname="x", sysctls={})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("net.ipv4.no_such", "1", "no such parameter"),
        ("net.ipv4.ip_unprivileged_port_start", "high", "'high' is not set: the kernel refuses it"),
        (
            "net.ipv4.ip_unprivileged_port_start",
            "70000",
            "'70000' is not set: the kernel refuses it",
        ),
        ("net.netfilter.nf_conntrack_max", "5", "'5' is not set: .*(kernel refuses it|no such)"),
        ("kernel.shm_rmid_forced", "2", "'2' is not set: the kernel refuses it"),
        ("kernel.panic", "1", "whole node"),
        ("vm/swappiness", "1", "whole node"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_named_and_nothing_stays(
    tmp_path: Path, pins: dict[str, Path], name: str, value: str, problem: str
) -> None:
    with pytest.raises(InvalidArgument, match=problem) as refusal:
        namespaces.pin(pins, hostname="x", sysctls=sysctls.parameters({name: value}, pins))
    assert refusal.value.field == f"config.linux.sysctls[{name}]"
    assert not any(path.exists() for path in pins.values())


def test_if_one_pin_fails_the_others_are_removed(pins: dict[str, Path]) -> None:
    pins["uts"].mkdir(parents=True)
    with pytest.raises(OSError, match="cannot pin the uts namespace") as refusal:
        namespaces.pin(pins, hostname="x", sysctls={})
    assert refusal.value.filename == str(pins["uts"])
    assert not pins["net"].exists()
    assert not pins["ipc"].exists()


def test_an_earlier_pin_is_neither_replaced_nor_removed(pins: dict[str, Path]) -> None:
    namespaces.pin({"net": pins["net"]}, hostname=None, sysctls={})
    inode = pins["net"].stat().st_ino
    with pytest.raises(FileExistsError):
        namespaces.pin({"net": pins["net"]}, hostname=None, sysctls={})
    assert pins["net"].stat().st_ino == inode


def test_unpinning_is_idempotent_and_leaves_nothing(pins: dict[str, Path]) -> None:
    namespaces.pin(pins, hostname=None, sysctls={})
    for path in [*pins.values(), *pins.values()]:
        namespaces.unpin(path)
    assert not any(path.exists() for path in pins.values())
    assert not nsenter.is_pinned(pins["net"])


def test_a_file_left_without_its_mount_is_no_pin_and_can_be_removed(pins: dict[str, Path]) -> None:
    pins["ipc"].parent.mkdir(parents=True)
    pins["ipc"].touch()
    assert not nsenter.is_pinned(pins["ipc"])
    namespaces.unpin(pins["ipc"])
    assert not pins["ipc"].exists()


def interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def flags_of(interface: bytes) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, 0x8913, struct.pack("16sh22x", interface, 0))
    flags: int = struct.unpack_from("h", answer, 16)[0]
    return flags


def test_a_function_runs_inside_the_network_namespace(pins: dict[str, Path]) -> None:
    namespaces.pin({"net": pins["net"]}, hostname=None, sysctls={})
    outside = own("net")
    assert nsenter.in_netns(pins["net"], interfaces) == ["lo"]
    assert nsenter.in_netns(pins["net"], lambda: flags_of(b"lo")) & 1
    assert nsenter.in_netns(pins["net"], lambda: own("net")) != (outside)
    assert own("net") == outside


def test_an_exception_of_the_function_reaches_the_caller(pins: dict[str, Path]) -> None:
    namespaces.pin({"net": pins["net"]}, hostname=None, sysctls={})
    with pytest.raises(OSError, match="No such device"):
        nsenter.in_netns(pins["net"], lambda: flags_of(b"missing0"))


def test_a_namespace_that_is_gone_is_not_found(pins: dict[str, Path]) -> None:
    with pytest.raises(NotFound, match="cri-shim-test is gone"):
        nsenter.in_netns(pins["net"], interfaces)


def test_a_file_that_is_no_namespace_is_an_error_naming_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Invalid argument") as refusal:
        nsenter.in_netns(tmp_path / "file", interfaces)
    assert refusal.value.filename == str(tmp_path / "file")


async def test_the_pid_namespace_of_a_process_is_kept(tmp_path: Path) -> None:
    child = spawn(["sleep", "600"])
    start = process.start_time(child.pid)
    assert start is not None
    namespaces.bind_pid_ns(child.pid, start, tmp_path / "ns/pid")
    kept = (tmp_path / "ns/pid").stat().st_ino
    theirs = Path(f"/proc/{child.pid}/ns/pid").stat().st_ino
    await child.end()
    namespaces.unpin(tmp_path / "ns/pid")
    assert kept == theirs


async def test_the_pid_namespace_of_another_process_is_not_kept(tmp_path: Path) -> None:
    child = spawn(["sleep", "600"])
    start = process.start_time(child.pid)
    assert start is not None
    with pytest.raises(NotFound, match=str(child.pid)):
        namespaces.bind_pid_ns(child.pid, start + 1, tmp_path / "ns/pid")
    await child.end()
    with pytest.raises(NotFound, match=str(child.pid)):
        namespaces.bind_pid_ns(child.pid, start, tmp_path / "ns/pid")
    assert not (tmp_path / "ns").exists()


def test_a_failed_unshare_is_an_error_with_its_reason(
    pins: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(flags: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(syscalls, "unshare", used_up)
    with pytest.raises(OSError, match="cannot unshare: No space left"):
        namespaces.pin(pins, hostname=None, sysctls={})
    assert not any(path.exists() for path in pins.values())
