"""An unprivileged user pulls from a registry, by the user's own rules of trust."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.images import Registry, busybox_image
from tests.fixtures.user import UserDaemon, user_daemon
from tests.fixtures.user_machine import Machine

REFUSING = '{"default": [{"type": "reject"}]}'
_AWAIT = """
import socket, sys, time
end = time.monotonic() + 20
while time.monotonic() < end:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0:
            sys.exit(0)
    time.sleep(0.02)
sys.exit("nobody listens")
"""


@pytest.fixture(scope="module")
def registry(node: Machine) -> Iterator[Registry]:
    """A registry on the machine's loopback, with team/app:1."""
    directory, kept = node.directory / "registry", node.directory / "kept"
    with Registry(directory) as made:
        made.push(busybox_image(), "team/app:1")
        shutil.copytree(directory, kept)
    kept.rename(directory)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, node.uid, node.uid)
    command = node.as_user("docker-registry", "serve", str(directory / "config.yml"))
    with (node.directory / "registry.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        assert node.python(_AWAIT, str(made.port)).returncode == 0
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def daemon(node: Machine, registry: Registry) -> Iterator[UserDaemon]:
    with user_daemon(node, **{"image.registries_conf": str(registry.conf)}) as started:
        yield started


def test_an_image_is_pulled_and_run(daemon: UserDaemon, registry: Registry) -> None:
    name = registry.name("team/app:1")
    pulled = daemon.machine.cri_shim("image", "pull", "--quiet", name)
    assert (pulled.returncode, pulled.stderr) == (0, "")
    ran = daemon.machine.cri_shim("run", name, "echo", "pulled")
    assert (ran.returncode, ran.stdout) == (0, "pulled\n")


def test_the_users_own_policy_is_used(daemon: UserDaemon, registry: Registry) -> None:
    policy = daemon.machine.directory / "home/.config/containers/policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text(REFUSING)
    for path in (policy.parent.parent, policy.parent, policy):
        os.chown(path, daemon.machine.uid, daemon.machine.uid)
    try:
        pulled = daemon.machine.cri_shim("image", "pull", registry.name("team/app:1"))
    finally:
        shutil.rmtree(policy.parent.parent)
    assert pulled.returncode == 1
    assert "SignatureValidationFailed" in pulled.stderr


def test_the_users_own_registries_conf_is_read(node: Machine, registry: Registry) -> None:
    file = node.directory / "home/.config/containers/registries.conf"
    file.parent.mkdir(parents=True)
    file.write_text('unqualified-search-registries = ["registry.example"]\n')
    try:
        shown = node.cri_shim("--socket", "/run/no-daemon", "config")
    finally:
        shutil.rmtree(file.parent.parent)
    assert str(file) in shown.stdout


def test_no_process_of_a_pull_is_left(daemon: UserDaemon, registry: Registry) -> None:
    daemon.machine.cri_shim("image", "pull", registry.name("team/app:1"))
    names = {Path(line.split()[0]).name for line in daemon.machine.processes().values()}
    assert "skopeo" not in names
