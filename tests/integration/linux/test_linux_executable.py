"""The problem of a file that cannot be executed is the kernel's error."""

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.linux import executable

STATIC, DYNAMIC = "/bin/busybox", "/usr/bin/env"
MACHINE_AT = 18


def write(name: str, data: bytes) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        (root / "bin" / name).write_bytes(data)
        (root / "bin" / name).chmod(0o755)

    return make


def program(data: bytes) -> Callable[[Path], None]:
    return write("program", data)


def foreign() -> bytes:
    """A static program for a machine of IBM's."""
    data = bytearray(Path(STATIC).read_bytes())
    struct.pack_into("<H", data, MACHINE_AT, 22)
    return bytes(data)


EXECUTE = """
import os, sys
os.chroot(sys.argv[1])
os.chdir("/")
os.execv("/bin/program", ["busybox", "true"])
"""


def runs(root: Path) -> bool:
    """Whether the kernel executes /bin/program."""
    command = [sys.executable, "-c", EXECUTE, str(root)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with a static busybox and `true`."""
    (tmp_path / "bin").mkdir()
    shutil.copy(STATIC, tmp_path / "bin" / "busybox")
    shutil.copy(STATIC, tmp_path / "bin" / "sh")
    return tmp_path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (program(Path(STATIC).read_bytes()), ""),
        (program(b"#!/bin/sh\nexit 0\n"), ""),
        (program(b"#! bin/sh -e\nexit 0\n"), ""),
        (program(b"#!/bin/bash\n"), "its interpreter '/bin/bash' is not there"),
        (program(b"#!/bin/sh\r\nexit 0\r\n"), r"its interpreter '/bin/sh\r' is not there"),
        (program(b"#!\n"), "it names no interpreter"),
        (program(b""), "it is neither a program nor a script that names its interpreter"),
        (program(b"\0\1\2"), "it is neither a program nor a script that names its interpreter"),
        (program(b"\x7fELF"), "it is neither a program nor a script that names its interpreter"),
        (program(Path(DYNAMIC).read_bytes()), "its interpreter '/lib64/ld-linux"),
        (program(foreign()), "it is a program for s390x, and this machine is "),
    ],
)
def test_the_problem_is_the_kernels_error(
    root: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(root)

    said = executable.complaint(root, "program", path="/sbin:/bin", cwd="/")

    assert said.startswith(f"/bin/program: {problem}" if problem else "")
    assert (said == "") == (problem == "") == runs(root)


def test_the_command_is_found_as_a_shell_finds_it(root: Path) -> None:
    for directory in ("first", "second"):
        (root / directory).mkdir()
        (root / directory / "tool").write_bytes(b"#!/no/" + directory.encode())
    (root / "second" / "tool").chmod(0o755)

    found = executable.complaint(root, "tool", path="/none:/first:/second", cwd="/")
    relative = executable.complaint(root, "./tool", path="", cwd="/second")

    assert found == "/second/tool: its interpreter '/no/second' is not there"
    assert relative == "/second/./tool: its interpreter '/no/second' is not there"


def test_links_are_followed_inside_and_a_missing_command_is_no_problem(root: Path) -> None:
    write("script", b"#!/no/where\n")(root)
    (root / "bin" / "link").symlink_to("/bin/script")
    (root / "bin" / "outside").symlink_to("/etc/passwd")

    assert "is not there" in executable.complaint(root, "/bin/link", path="", cwd="/")
    assert executable.complaint(root, "/bin/outside", path="", cwd="/") == ""
    assert executable.complaint(root, "/bin", path="", cwd="/") == ""


def test_no_problem_is_reported_if_the_kernel_has_more_formats(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(b"\0\1\2")(root)
    monkeypatch.setattr(executable, "_more_formats", lambda: True)

    assert executable.complaint(root, "program", path="/bin", cwd="/") == ""
