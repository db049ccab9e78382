"""OCI artifacts as volumes of pods; no container is made of one."""

import shutil

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures.artifacts import Artifact, Layer, archive
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.images import Tar

NAME = "localhost/model:1"
MADE = Artifact(
    Layer(b"weights", "model/weights.bin"),
    Layer(b"read me", "README"),
    archive(Tar().file("set/a", b"1").file("set/tool", b"#!/bin/sh\n", mode=0o755).bytes(), "set"),
)


@pytest.fixture
async def artifact(cri: Cri) -> str:
    """The id of an artifact that is on the node."""
    layout = MADE.write_layout(cri.daemon.directory / "artifact", NAME)
    try:
        answer = await cri.control.LoadImage(control.LoadImageRequest(source=f"oci:{layout}"))
    finally:
        shutil.rmtree(layout)
    return str(answer.images[0].id)


def volume(sub_path: str = "") -> api.Mount:
    spec = api.ImageSpec(image=NAME)
    return api.Mount(container_path="/vol", readonly=True, image=spec, image_sub_path=sub_path)


async def test_an_artifact_is_a_volume_that_is_only_read(
    cri: Cri, handler: str, artifact: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[volume()])

    said = await cri.sh(container, "cd /vol; cat model/weights.bin README set/a; ls")

    assert said == "weightsread me1README\nmodel\nset\n"
    failed = await cri.exec(container, "touch", "/vol/README")
    assert b"Read-only file system" in failed.stderr
    (told,) = (await cri.status(container)).mounts
    assert (told.image.image, told.image.image_ref) == (NAME, artifact)


@pytest.mark.parametrize(
    ("sub_path", "script", "expected"),
    [
        ("model", "ls /vol", "weights.bin\n"),
        ("set", "cat /vol/a; /vol/tool && echo ran", "1ran\n"),
        ("model/weights.bin", "cat /vol", "weights"),
    ],
)
async def test_a_sub_path_of_an_artifact_is_all_that_is_seen(
    cri: Cri, handler: str, artifact: str, sub_path: str, script: str, expected: str
) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.run(pod, ["sleep", "60"], mounts=[volume(sub_path)])

    assert await cri.sh(container, script) == expected


async def test_a_sub_path_that_an_artifact_does_not_have_is_refused(
    cri: Cri, artifact: str
) -> None:
    pod = await cri.run_pod()

    with pytest.raises(InvalidArgument, match=r"ImageVolumeMountFailed: .*no 'model/none' inside"):
        await cri.create(pod, container_config(["true"], mounts=[volume("model/none")]))

    assert await cri.containers() == []


async def test_a_pod_with_its_own_users_sees_the_files_as_roots(
    cri: Cri, handler: str, artifact: str
) -> None:
    config = pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig())
    mapping = [api.IDMapping(host_id=1_500_000, container_id=0, length=65536)]
    config.linux.security_context.namespace_options.userns_options.CopyFrom(
        api.UserNamespace(mode=api.POD, uids=mapping, gids=mapping)
    )
    pod = await cri.run_pod(config, handler=handler)
    asked = container_config(["sleep", "60"], mounts=[volume()])
    asked.linux.security_context.namespace_options.CopyFrom(
        config.linux.security_context.namespace_options
    )
    container = await cri.create(pod, asked)
    await cri.start(container)

    said = await cri.sh(container, "cat /vol/README; stat -c %u /vol /vol/README /vol/set/a")

    assert said == "read me0\n0\n0\n"


async def test_no_container_is_made_of_an_artifact(cri: Cri, artifact: str) -> None:
    pod = await cri.run_pod()

    with pytest.raises(InvalidArgument) as refused:
        await cri.create(pod, container_config(["true"], image=NAME))

    assert str(refused.value) == (
        f"config.image: {NAME} is an artifact (application/x.test), which has no program to run;"
        " mount it as an image volume"
    )
    assert await cri.containers() == []
