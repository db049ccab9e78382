"""The kernel: file systems, namespaces and settings, from files in the form of /proc and /sys."""

from pathlib import Path

import pytest

from cri_shim.problems import Level, kernel


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    place = tmp_path / "proc"
    for directory in ("sys/user", "sys/net/ipv4", "sys/net/bridge"):
        (place / directory).mkdir(parents=True)
    (place / "filesystems").write_text("nodev\toverlay\n\terofs\n")
    (place / "sys/user/max_user_namespaces").write_text("1000\n")
    (place / "sys/net/ipv4/ip_forward").write_text("1\n")
    (place / "sys/net/bridge/bridge-nf-call-iptables").write_text("1\n")
    return place


def _levels(proc: Path) -> dict[str, Level]:
    return {each.what: each.level for each in kernel.look(proc, proc.parent / "sys")}


def test_a_whole_kernel_has_no_problem(proc: Path) -> None:
    assert set(_levels(proc).values()) == {Level.OK}


def test_each_missing_part_is_a_finding_with_a_remedy(proc: Path) -> None:
    (proc / "filesystems").write_text("\text4\n")
    (proc / "sys/user/max_user_namespaces").write_text("0\n")
    (proc / "sys/net/ipv4/ip_forward").write_text("0\n")
    (proc / "sys/net/bridge/bridge-nf-call-iptables").unlink()

    found = {each.what: each for each in kernel.look(proc, proc.parent / "sys")}

    assert found["user namespaces"].remedy == "sysctl user.max_user_namespaces=65536"
    assert found["ip_forward"].sentence.startswith("ip_forward is off: ")
    assert found["br_netfilter"].sentence.startswith("br_netfilter is not loaded: ")
    assert "modprobe br_netfilter" in found["br_netfilter"].remedy


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.1.0-13-amd64", (6, 1)), ("5.19-rc3", (5, 19)), ("odd", (0, 0)), ("", (0, 0))],
)
def test_a_release_has_a_version(release: str, expected: tuple[int, int]) -> None:
    assert kernel.version(release) == expected
