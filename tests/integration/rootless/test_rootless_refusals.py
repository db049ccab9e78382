"""A runtime that cannot start rootless: the error names the cause, nothing is left."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.user import UserDaemon
from tests.fixtures.user_machine import Machine, machine

OPENING = """
import asyncio, sys
from cri_shim import Runtime, rootless
from cri_shim.errors import CriShimError

async def main():
    async with Runtime() as runtime:
        print((await runtime.info())["host"]["rootless"], runtime.config().server.root)

try:
    {first}
    asyncio.run(main())
except CriShimError as e:
    print(f"{{type(e).__name__}}: {{e}}")
"""


def program(first: str) -> str:
    return OPENING.format(first=first)


@pytest.fixture
def stranger() -> Iterator[Machine]:
    """A machine whose user has no subordinate ids."""
    with machine(subordinate=False) as made:
        yield made
        assert made.remaining() == {}


@pytest.fixture
def clean(node: Machine) -> Iterator[Machine]:
    """The user's files on this machine; they are restored after the test."""
    before = entries(node)
    yield node
    assert node.remaining() == {}
    assert entries(node) == before


def entries(on: Machine) -> list[Path]:
    return sorted([*(on.directory / "home").rglob("*"), *(on.directory / "xdg").rglob("*")])


def test_missing_subordinate_ids_are_an_error_with_a_remedy_for_root(stranger: Machine) -> None:
    before = entries(stranger)
    done = stranger.cri_shim("serve")
    assert done.returncode == 1
    assert re.search(
        r"cri-shim: user shimmy \(\d+\) has no ids in /etc/subuid.*\n?.*usermod --add-subuids"
        r" 100000-165535 shimmy",
        done.stderr,
    )
    assert entries(stranger) == before


def test_a_runtime_directory_that_cannot_be_trusted_is_refused(clean: Machine) -> None:
    done = clean.cri_shim("serve", XDG_RUNTIME_DIR="/tmp")
    assert done.returncode == 1
    assert "XDG_RUNTIME_DIR: /tmp belongs to user 0" in done.stderr


def test_a_link_of_another_user_at_the_last_resort_is_refused(clean: Machine) -> None:
    private = Path(f"/tmp/cri-shim-{clean.uid}")
    private.symlink_to(clean.directory / "xdg")
    try:
        done = clean.cri_shim("serve", XDG_RUNTIME_DIR="")
    finally:
        private.unlink()
    assert done.returncode == 1
    assert f"{private} is a symbolic link, of user 0" in done.stderr
    assert "set XDG_RUNTIME_DIR to a directory of your own" in done.stderr


def test_a_client_does_not_use_a_socket_in_another_users_directory(clean: Machine) -> None:
    private = Path(f"/tmp/cri-shim-{clean.uid}")
    private.mkdir(mode=0o700)
    try:
        done = clean.cri_shim("info", XDG_RUNTIME_DIR="")
    finally:
        private.rmdir()
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{private} belongs to user 0" in done.stderr


def test_without_a_login_the_runtime_directory_is_a_private_one_below_tmp(node: Machine) -> None:
    private = Path(f"/tmp/cri-shim-{node.uid}")
    daemon = UserDaemon(node)
    daemon.run_root, daemon.socket = private / "cri-shim", private / "cri-shim/cri-shim.sock"
    node.environment = {"XDG_RUNTIME_DIR": ""}
    try:
        daemon.start()
        facts = private.stat()
        assert (facts.st_uid, facts.st_mode & 0o777) == (node.uid, 0o700)
        assert "rootless: yes" in node.cri_shim("info").stdout
    finally:
        daemon.stop()
        node.environment = {}
        shutil.rmtree(private, ignore_errors=True)


def test_a_start_that_fails_leaves_no_process_and_no_file(clean: Machine) -> None:
    done = clean.cri_shim(
        "--set", "hooks_dir=/nowhere", "--set", "hooks_dir_not_exist_fatal=true", "serve"
    )
    assert done.returncode == 1
    assert "/nowhere" in done.stderr


def test_opening_a_runtime_before_enter_is_an_error_with_a_remedy(clean: Machine) -> None:
    done = clean.python(program("pass"))
    assert re.match(r"RootlessError: .*call cri_shim.rootless.enter\(\) first in main", done.stdout)


def test_enter_in_a_program_with_threads_is_an_error(clean: Machine) -> None:
    late = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    done = clean.python(program(f"{late}; rootless.enter()"))
    assert re.match(r"RootlessError: this process has 2 threads", done.stdout)


def test_a_program_that_enters_first_has_a_runtime(node: Machine) -> None:
    done = node.python(program("rootless.enter()"))
    root = node.directory / "home/.local/share/cri-shim"
    assert (done.stdout, done.stderr) == (f"True {root}\n", "")
    assert node.remaining() == {}


def test_entering_keeps_the_directory_the_arguments_and_the_files_of_a_program(
    clean: Machine,
) -> None:
    script = """
import os, sys
from pathlib import Path
from cri_shim import options, rootless
place = Path("other").absolute()
rootless.enter(options.with_storage(run_root=place))
print(os.getcwd(), sys.argv[1:], os.geteuid(), repr(sys.stdin.read()))
rootless.end_if_unused(place, unused=None)
"""
    done = clean.run(sys.executable, "-c", script, "one", "two")
    assert done.stdout == f"{clean.directory} ['one', 'two'] 0 ''\n"
    assert not (clean.directory / "other").exists()


def test_a_link_of_another_user_in_place_of_the_state_is_refused(clean: Machine) -> None:
    place = clean.directory / "linked"
    place.symlink_to(clean.directory / "home")
    try:
        done = clean.cri_shim("--root", str(place), "serve")
    finally:
        place.unlink()
    assert done.returncode == 1
    assert f"the symbolic link {place} belongs to user" in done.stderr
