"""A container of an image with files below a lower layer's link: run, export and commit agree."""

import io
import tarfile
from pathlib import Path

from cri_shim import Runtime
from cri_shim.library.image import Image as Stored
from tests.fixtures.images import Image, Tar
from tests.fixtures.library import Place

BUSYBOX = Path("/bin/busybox").read_bytes()


def merged_usr() -> Tar:
    tar = Tar().directory("usr").directory("usr/bin").symlink("bin", "usr/bin")
    tar.file("usr/bin/busybox", BUSYBOX, mode=0o755).symlink("usr/bin/sh", "busybox").symlink(
        "usr/bin/ls", "busybox"
    )
    return tar.directory("proc").directory("dev").directory("sys").directory("tmp")


def names(data: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name for member in tar}


async def output(runtime: Runtime, image: Stored, here: Place) -> str:
    """Return what the image's program in /bin prints."""
    pod = await runtime.create_pod(log_directory=here.directory / "logs")
    container = await pod.create_container(image, ["/bin/sh", "-c", "/bin/hello; ls -d /bin/*"])
    await container.start()
    await container.wait()
    lines = [entry.content.decode() async for entry in container.logs()]
    await pod.remove(force=True)
    return "\n".join(lines)


async def test_run_export_and_commit_agree(here: Place) -> None:
    hello = Tar().file("bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755)
    file = here.directory / "image.tar"
    Image([merged_usr(), hello]).write_docker_archive(file, ["r.example/usr:1"])
    expected = "hello\n/bin/busybox\n/bin/hello\n/bin/ls\n/bin/sh"
    async with here.runtime() as runtime:
        (image,) = await runtime.load_image(str(file))
        busybox = ["/bin/busybox", "sh", "-c", "echo > /usr/bin/more; exec /bin/busybox sleep 600"]
        assert await output(runtime, image, here) == expected

        pod = await runtime.create_pod()
        container = await pod.create_container(image, busybox)
        await container.start()
        exported = io.BytesIO()
        await container.export(exported)
        committed = await container.commit("r.example/committed:1")
        changes = [str(change) for change in await container.diff()]
        await pod.remove(force=True)
        again = await output(runtime, committed, here)

    assert {"bin", "usr/bin/hello", "usr/bin/busybox"} <= names(exported.getvalue())
    assert "bin/hello" not in names(exported.getvalue())
    assert again == "hello\n/bin/busybox\n/bin/hello\n/bin/ls\n/bin/more\n/bin/sh"
    assert "A /usr/bin/more" in changes
    assert [change for change in changes if "hello" in change] == []
