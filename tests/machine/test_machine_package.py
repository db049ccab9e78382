"""The Debian package on a node: installed, upgraded under running containers, removed, purged."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.conftest import Machine

TOP = Path(__file__).parents[2]
OLD, NEW = "9.8.7", "9.8.8"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install"
PURGE = "dpkg --purge cri-shim"
CONFFILE = "/etc/cri-shim/config.toml"
# Not of the checkout. What others share is left: an empty chain of the firewall, and /run/netns.
NAMED = (
    "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /root -prune"
    " -o -path /opt -prune -o -path /tmp -prune -o -name '*cri-shim*' -print | sort"
)
RULES = "iptables-save | grep -v '^[#:]\\|-j CRI-SHIM-MASQ'"
LEFT = f"{NAMED}; ip -br link | cut -d' ' -f1; {RULES}; grep -v ' /run/netns ' /proc/mounts"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package of this commit, tagged as two releases."""
    clone = tmp_path_factory.mktemp("clone") / "cri-shim"
    run("git", "clone", "-q", str(TOP), str(clone))
    made = {}
    for version in (OLD, NEW):
        author = ["-c", "user.name=test", "-c", "user.email=test@test"]
        run("git", "-C", str(clone), *author, "commit", "-q", "--allow-empty", "-m", version)
        run("git", "-C", str(clone), "tag", f"v{version}")
        made[version] = Path(run(str(clone / "hack/deb"), str(clone / "dist")).splitlines()[-1])
        assert made[version].name == f"cri-shim_{version}_amd64.deb"
    return made


def run(*command: str) -> str:
    env = {**os.environ, "CRI_SHIM_VENV": sys.prefix}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def node(packages: dict[str, Path]) -> Iterator[Machine]:
    """Without the files of the checkout, which would conflict with the package."""
    machine = Machine()
    link = "/usr/local/bin/cri-shim"
    machine.run(f"{PURGE} && rm -rf {link} /etc/systemd/system/cri-shim.service /etc/cri-shim")
    machine.run("rm -rf /var/lib/cri-shim /run/cri-shim /var/lib/machine; systemctl daemon-reload")
    machine.run("ip link delete cri-shim0; iptables -t nat -F CRI-SHIM-MASQ; true")
    for version, package in packages.items():
        machine.put(package, f"/tmp/{version}.deb")
    yield machine
    machine.run(f"{PURGE} && rm -rf /tmp/*.deb")
    machine.run(f"ln -sf /opt/cri-shim/bin/cri-shim {link}")
    machine.lay_checkout()


def install(machine: Machine, version: str) -> None:
    machine.run(f"dpkg --install /tmp/{version}.deb", limit=300)


def state(machine: Machine) -> str:
    return machine.run("systemctl show -P ActiveState -P UnitFileState cri-shim")


def daemon(machine: Machine) -> Any:
    return machine.run("cri-shim version").splitlines()


def test_an_installed_package_serves_and_a_purged_one_leaves_nothing(node: Machine) -> None:
    before = node.run(LEFT)
    node.run(f"{APT} /tmp/{OLD}.deb", limit=300)
    assert state(node) == "active\nenabled\n"
    assert node.run("cri-shim --version") == f"cri-shim {OLD}\n"
    assert daemon(node)[0] == f"client: cri-shim {OLD}"
    assert node.run("cri-shim config --check") != ""
    assert node.run("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
    assert node.run(f"dpkg-query -W -f '${{Conffiles}}' cri-shim | grep -c {CONFFILE}") == "1\n"
    done = node.ask("work")
    assert (done["said"], done["pods"], done["failed units"]) == ("alive\n", {}, [])
    node.run(PURGE)
    assert node.run(LEFT) == before


def test_an_upgrade_and_a_removal_restart_no_container_and_lose_none(node: Machine) -> None:
    install(node, OLD)
    there = node.ask("populate")
    node.run(f"echo '# of this node' >>{CONFFILE}")
    before, processes = node.ask("look"), node.ask("processes")
    assert set(processes) == {there["deaf"], there["slow"]}

    install(node, NEW)
    assert daemon(node)[1].startswith(f"daemon: cri-shim {NEW}")
    assert (node.ask("look"), node.ask("processes")) == (before, processes)
    assert node.run(f"tail -n 1 {CONFFILE}") == "# of this node\n"

    said = node.run("dpkg --remove cri-shim 2>&1")
    assert "cri-shim: 2 containers keep running" in said
    assert "the network of pods stays on this node: bridge cri-shim0 still has pods" in said
    for pid, began, _ in processes.values():
        assert node.run(f"cut -d' ' -f22 /proc/{pid}/stat") == f"{began}\n"
    assert node.run(f"tail -n 1 {CONFFILE}") == "# of this node\n"
    assert node.run("ls /usr/bin/cri-shim /usr/lib/cri-shim 2>/dev/null || true") == ""

    install(node, NEW)
    assert state(node) == "active\nenabled\n"
    assert (node.ask("look"), node.ask("processes")) == (before, processes)
    assert node.ask("work")["containers"] == {}


def test_a_purge_under_running_containers_keeps_what_they_use(node: Machine) -> None:
    install(node, OLD)
    node.ask("populate")
    processes = node.ask("processes")
    said = node.run(f"{PURGE} 2>&1")
    assert "/run/cri-shim and /var/lib/cri-shim are kept: containers still use them" in said
    for pid, began, _ in processes.values():
        assert node.run(f"cut -d' ' -f22 /proc/{pid}/stat") == f"{began}\n"
    assert node.run("ls -d /etc/cri-shim 2>/dev/null || true") == ""

    install(node, OLD)  # after a reinstallation all of them are there again
    assert node.ask("processes") == processes
    assert node.ask("work")["containers"] == {}


def tags(libraries: Path) -> dict[str, list[list[str]]]:
    """The Python versions that the bundled libraries in a directory are made for."""
    found = {}
    for file in libraries.glob("*.dist-info/WHEEL"):
        lines = [line for line in file.read_text().splitlines() if line.startswith("Tag: ")]
        found[file.parent.name] = [line.removeprefix("Tag: ").split("-") for line in lines]
    return found


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_the_libraries_inside_are_made_for_each_release_of_python(
    packages: dict[str, Path], tmp_path: Path, minor: int
) -> None:
    run("dpkg-deb", "-x", str(packages[OLD]), str(tmp_path))
    place = tmp_path / "usr/lib/cri-shim"
    libraries = place / f"python3.{minor}"
    assert tags(libraries).keys() == tags(place / "python3.11").keys()
    for name, all_tags in tags(libraries).items():
        for python, abi, platform in all_tags:
            assert python in ("py3", f"cp3{minor}") or abi == "abi3", name
            assert abi in ("none", "abi3", f"cp3{minor}"), name
            oldest = re.search(r"manylinux_2_(\d+)", platform.replace("2014", "_2_17"))
            assert platform == "any" or (oldest and int(oldest[1]) <= 36), name  # Debian 12's glibc
    objects = [file.name for file in libraries.rglob("*.so")]
    own = f".cpython-3{minor}-x86_64-linux-gnu.so"
    assert [n for n in objects if not n.endswith((own, ".abi3.so"))] == []
    assert any(name.endswith(own) for name in objects)


def test_every_dependency_is_inside_or_a_package(packages: dict[str, Path], tmp_path: Path) -> None:
    run("dpkg-deb", "-x", str(packages[OLD]), str(tmp_path))
    inside = {n.partition("-")[0].lower() for n in tags(tmp_path / "usr/lib/cri-shim/python3.12")}
    outside = run("dpkg-deb", "-f", str(packages[OLD]), "Depends")
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    for dependency in project["dependencies"]:
        name = re.split(r"[^a-z0-9]", dependency)[0]
        assert (
            name in inside
            or f"python3-{name.removeprefix('py')}" in outside
            or (f"python3-{name}" in outside)
        ), dependency
