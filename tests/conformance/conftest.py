"""Our own specs of what critest looks at: each test is named after the spec it stands for.

One daemon and one registry for each file; the registry stands for two public ones, as names and
not as addresses.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.critestlib import images
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.images import Image, Registry, Tar, busybox_layer

STAND_INS = ("one.example", "two.example")
Push = Callable[..., Image]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry") / "own") as running:
        running.conf.write_text(
            "".join(
                f'[[registry]]\nprefix = "{name}"\nlocation = "{running.host}"\ninsecure = true\n'
                for name in STAND_INS
            )
        )
        yield running


@pytest.fixture(scope="module")
def daemon(registry: Registry) -> Iterator[Daemon]:
    settings = {"image.registries_conf": str(registry.conf)}
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    """CRI calls to the file's daemon; afterwards every pod is removed and must leave nothing."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
        assert daemon.traces() == []


@pytest.fixture(params=["crun", "runc"])
def handler(request: pytest.FixtureRequest) -> str:
    """Each OCI runtime in turn."""
    return str(request.param)


@pytest.fixture
def push(registry: Registry) -> Push:
    """Make an image that is unlike all others, and serve it under names; returns it."""

    def push_(*names: str, runs: bool = False, **config: object) -> Image:
        layers = [busybox_layer()] if runs else []
        image = Image([*layers, Tar().file(f"is-{names[0].replace('/', '-')}")], config)
        registry.push(image, *names)
        return image

    return push_


class Specs:
    """What the specs do in one line: pods and containers as critest asks for them.

    Without namespace options, that is: the containers of a pod share its pid namespace.
    """

    def __init__(self, cri: Cri, handler: str) -> None:
        self.cri = cri
        self._handler = handler
        self._count = 0

    async def pod(self, options: api.NamespaceOption | None = None, **fields: Any) -> str:
        context = api.LinuxSandboxSecurityContext(
            namespace_options=options, privileged=bool(fields.pop("privileged", False))
        )
        linux = api.LinuxPodSandboxConfig(security_context=context)
        config = pod_config(self.cri.daemon, linux=linux, **fields)
        return await self.cri.run_pod(config, self._handler)

    async def container(
        self,
        pod: str,
        command: list[str],
        mounts: list[api.Mount] | None = None,
        **security: Any,
    ) -> str:
        """A started container with these fields of a security context."""
        container = await self.created(pod, command, mounts, **security)
        await self.cri.start(container)
        return container

    async def created(
        self,
        pod: str,
        command: list[str],
        mounts: list[api.Mount] | None = None,
        **security: Any,
    ) -> str:
        self._count += 1
        image = str(security.pop("image", "")) or container_config([]).image.image
        context = api.LinuxContainerSecurityContext(**security)
        linux = api.LinuxContainerConfig(security_context=context)
        config = container_config(command, f"c{self._count}", image, linux=linux, mounts=mounts)
        return await self.cri.create(pod, config)

    async def output(self, container: str) -> list[tuple[str, str]]:
        """(stream, text) of every line of the log, as it is the moment the container is EXITED."""
        status = await self.cri.exited(container)
        words = [line.split(" ", 3) for line in Path(status.log_path).read_text().splitlines()]
        return [(stream, text) for _, stream, _, text in words]


@pytest.fixture
def specs(cri: Cri, handler: str) -> Specs:
    return Specs(cri, handler)


@pytest.fixture(scope="module")
def nonewprivs(registry: Registry, daemon: Daemon) -> str:
    """The name of an image whose setuid program tells its effective user; it is pulled."""
    registry.push(images.nonewprivs(), "nonewprivs:1")
    name = f"{STAND_INS[0]}/nonewprivs:1"
    asyncio.run(pull(daemon, name))
    return name


async def pull(daemon: Daemon, name: str) -> None:
    async with Client(daemon.socket) as client:
        await client.image.PullImage(api.PullImageRequest(image=api.ImageSpec(image=name)))
