"""mounts.conf with real containers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a mounts.conf, and secrets that it names."""
    directory = tmp_path_factory.mktemp("node")
    secrets = directory / "secrets"
    (secrets / "dir").mkdir(parents=True)
    (secrets / "token").write_text("secret")
    (secrets / "dir" / "key").write_text("key")
    (secrets / "dir" / "key").chmod(0o600)
    text = f"# of the node\n{secrets}:/run/secrets\n{directory}/none:/none\n{secrets}/token\n"
    (directory / "mounts.conf").write_text(text)
    return directory


@pytest.fixture(scope="module")
def daemon(node: Path) -> Iterator[Daemon]:
    with private_daemon(default_mounts_file=str(node / "mounts.conf")) as started:
        yield started


async def test_every_container_has_the_default_mounts(cri: Cri, node: Path, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "60"])
    assert await cri.sh(container, "cat /run/secrets/token /run/secrets/dir/key") == "secretkey"
    assert await cri.sh(container, f"cat {node}/secrets/token; ls -d /none || true") == "secret"
    assert not (await cri.status(container)).mounts


async def test_a_container_can_change_its_copy_and_no_other(
    cri: Cri, node: Path, handler: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    one = await cri.run(pod, ["sleep", "60"], "one")
    two = await cri.run(pod, ["sleep", "60"], "two")
    await cri.sh(one, "echo changed > /run/secrets/token; rm -r /run/secrets/dir")
    assert await cri.sh(two, "cat /run/secrets/token") == "secret"
    assert (node / "secrets" / "token").read_text() == "secret"


async def test_files_for_root_alone_stay_private(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "60"])
    config.linux.security_context.run_as_user.value = 1000
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, "cat /run/secrets/token; stat -c %u:%g /run/secrets") == (
        "secret0:0\n"
    )
    assert (await cri.exec(container, "cat", "/run/secrets/dir/key")).exit_code == 1


@pytest.mark.parametrize("readonly", [False, True])
async def test_a_mount_below_a_default_mount_works(
    cri: Cri, handler: str, tmp_path: Path, readonly: bool
) -> None:
    (tmp_path / "token").write_text("account")
    where = "/run/secrets/kubernetes.io/serviceaccount"
    mount = api.Mount(container_path=where, host_path=str(tmp_path), readonly=True)
    config = container_config(["sleep", "60"], mounts=[mount])
    config.linux.security_context.readonly_rootfs = readonly
    container = await cri.create(await cri.run_pod(handler=handler), config)
    await cri.start(container)
    assert await cri.sh(container, f"cat {where}/token /run/secrets/token") == "accountsecret"


async def test_a_requested_mount_replaces_a_default_one(
    cri: Cri, handler: str, tmp_path: Path
) -> None:
    mount = api.Mount(container_path="/run", host_path=str(tmp_path))
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[mount])
    assert await cri.sh(container, "ls /run") == ""
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_source_is_named_in_the_log_once(cri: Cri, node: Path) -> None:
    pod = await cri.run_pod()
    for name in ("one", "two"):
        await cri.create(pod, container_config(["true"], name))
    assert cri.daemon.log.read_text().count(f"default mount {node}/none: does not exist") == 1


async def test_in_a_user_namespace_its_root_owns_the_copies(cri: Cri, handler: str) -> None:
    ids = api.IDMapping(host_id=500000, container_id=0, length=65536)
    own = api.UserNamespace(mode=api.POD, uids=[ids], gids=[ids])
    options = api.NamespaceOption(pid=api.CONTAINER, userns_options=own)
    sandbox = api.LinuxPodSandboxConfig()
    sandbox.security_context.namespace_options.CopyFrom(options)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=sandbox, hostname="h"), handler=handler)
    config = container_config(["sleep", "60"])
    config.linux.security_context.namespace_options.CopyFrom(options)
    container = await cri.create(pod, config)
    await cri.start(container)
    assert await cri.sh(container, "stat -c %u:%g /run/secrets/dir/key") == "0:0\n"
    assert await cri.sh(container, "cat /run/secrets/dir/key; rm /run/secrets/dir/key") == "key"
