"""Status lists the features that a handler's smoke test found; requests are checked against it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

# An OCI runtime that lists no features, and refuses a container with an unknown one.
OLD = """#!/bin/sh
[ "$1" = features ] && exit 1
for word; do
    case $word in --bundle=*)
        if grep -q '"rro"' "${word#*=}/config.json"; then echo 'no option rro' >&2; exit 1; fi
        if grep -q '"user",' "${word#*=}/config.json"; then echo 'no such space' >&2; exit 1; fi
    esac
done
exec crun "$@"
"""
MISSING = {"runtimes.missing.path": "/no/such/runtime"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    old = tmp_path_factory.mktemp("runtimes") / "old"
    old.write_text(OLD)
    old.chmod(0o755)
    with private_daemon(0, **{"runtimes.old.path": str(old)}, **MISSING) as started:
        yield started


def with_user_namespace(cri: Cri) -> api.PodSandboxConfig:
    mapping = api.IDMapping(container_id=0, host_id=100000, length=65536)
    space = api.UserNamespace(mode=api.POD, uids=[mapping], gids=[mapping])
    options = api.NamespaceOption(pid=api.CONTAINER, userns_options=space)
    config = pod_config(cri.daemon)
    config.linux.security_context.namespace_options.CopyFrom(options)
    return config


async def test_every_working_handler_is_listed_with_its_features(cri: Cri) -> None:
    status = await cri.runtime.Status(api.StatusRequest(verbose=True))

    told = {
        one.name: (one.features.recursive_read_only_mounts, one.features.user_namespaces)
        for one in status.runtime_handlers
    }
    verbose = json.loads(status.info["handlers"])
    both = (True, True)
    assert told == {"": both, "crun": both, "runc": both, "old": (False, False)}
    assert "no such space" in verbose["old"]["userNamespaces"]
    assert "/no/such/runtime" in verbose["missing"]["problem"]


async def test_unsupported_features_of_a_handler_are_refused_and_the_rest_works(
    cri: Cri, tmp_path: Path
) -> None:
    pod = await cri.run_pod(handler="old")
    mount = api.Mount(
        host_path=str(tmp_path), container_path="/mnt", readonly=True, recursive_read_only=True
    )

    with pytest.raises(InvalidArgument, match=r"^RROUnsupported: config\.mounts\[0\]"):
        await cri.create(pod, container_config(["true"], mounts=[mount]))
    with pytest.raises(InvalidArgument, match=r"userns_options\.mode: POD, but handler old has no"):
        await cri.run_pod(with_user_namespace(cri), "old")

    assert await cri.pods() == [pod]
    container = await cri.run(pod, ["sh", "-c", "exit 7"])
    assert (await cri.exited(container)).exit_code == 7


async def test_a_handler_that_does_not_work_is_refused_with_its_problem(cri: Cri) -> None:
    with pytest.raises(WrongState, match=r"handler missing does not work: .*/no/such/runtime"):
        await cri.run_pod(handler="missing")

    assert await cri.pods() == []


@pytest.fixture
def without_init() -> Iterator[Daemon]:
    """A daemon that found no program to hold a shared pid namespace."""
    with private_daemon(4, init_path=["/no/such/catatonit"]) as started:
        yield started


async def test_a_shared_pid_namespace_is_refused_without_a_pause_program(
    without_init: Daemon,
) -> None:
    shared = pod_config(without_init)
    shared.linux.security_context.namespace_options.pid = api.POD

    async with Client(without_init.socket) as client:
        cri = Cri(without_init, client)
        with pytest.raises(WrongState, match="install the package catatonit or set init_path"):
            await cri.run_pod(shared)
        assert await cri.pods() == []
        await cri.run_pod()
        await cri.remove_all()


@pytest.fixture
def helpless() -> Iterator[Daemon]:
    """A daemon whose default handler does not work."""
    with private_daemon(3, runtime="missing", **MISSING) as started:
        yield started


async def test_a_runtime_whose_default_handler_does_not_work_is_not_ready(helpless: Daemon) -> None:
    async with Client(helpless.socket) as client:
        status = await client.runtime.Status(api.StatusRequest())

    (condition,) = [one for one in status.status.conditions if one.type == "RuntimeReady"]
    assert (condition.status, condition.reason) == (False, "RuntimeHandlerNotWorking")
    assert "/no/such/runtime" in condition.message
    assert "" not in {handler.name for handler in status.runtime_handlers}
