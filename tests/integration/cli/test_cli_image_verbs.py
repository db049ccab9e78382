"""What image list, inspect, history, untag, mount, unmount and diff show and do."""

from pathlib import Path

from tests.fixtures import busybox
from tests.fixtures.commands import cri_shim, shown, shown_json
from tests.fixtures.cri import Cri
from tests.fixtures.images import Image, Tar


async def have(cri: Cri, directory: Path, name: str, *layers: Tar) -> str:
    """Load an image, and return its id."""
    image = Image(list(layers))
    file = image.write_docker_archive(directory / "image.tar", [name])
    await shown(cri, "image", "load", str(file))
    (directory / "image.tar").unlink()
    return image.id


async def test_the_list_tells_what_uses_an_image(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/unused:1", Tar().file("a", b"a"))
    await cri.run(await cri.run_pod(), ["sleep", "1000"])
    lines = {line.split()[-1]: line for line in (await shown(cri, "image", "list")).splitlines()}
    assert "1 container" in lines[busybox.NAME]
    assert "nothing" in lines["r.example/unused:1"]
    assert await shown(cri, "images", "--unused", "-q") == f"{id}\n"
    await shown(cri, "image", "mount", id)
    assert await shown(cri, "images", "--unused", "-q") == ""
    await shown(cri, "image", "unmount", id)
    await shown(cri, "image", "rm", id)


async def test_inspect_and_history_show_an_image(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/two:1", Tar().file("a", b"a"), Tar().file("b", b"b"))
    found = await shown_json(cri, "image", "inspect", "r.example/two:1")
    assert (found["Id"], len(found["RootFS"]["Layers"])) == (id, 2)
    both = await shown_json(cri, "image", "inspect", id, busybox.NAME)
    assert both[0]["Id"] == id
    steps = (await shown_json(cri, "image", "history", id, "-o", "json"))["steps"]
    assert [step["diffId"] for step in steps] == found["RootFS"]["Layers"][::-1]
    assert (await shown(cri, "image", "history", id)).startswith("LAYER")
    await shown(cri, "image", "rm", id)


async def test_diff_shows_the_top_layer_or_another_image(cri: Cri, tmp_path: Path) -> None:
    first = Tar().file("a", b"a")
    one = await have(cri, tmp_path, "r.example/one:1", first)
    two = await have(cri, tmp_path, "r.example/two:1", first, Tar().file("b", b"b"))
    assert await shown(cri, "image", "diff", two) == "A /b\n"
    assert await shown(cri, "image", "diff", one, two) == "D /b\n"
    assert await shown_json(cri, "image", "diff", two, "-o", "json") == [
        {"kind": "A", "path": "/b"}
    ]
    await shown(cri, "image", "rm", one, two)


async def test_a_mounted_image_is_read_at_its_path(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/m:1", Tar().file("words", b"of an image"))
    path = Path((await shown(cri, "image", "mount", "r.example/m:1")).strip())
    assert (path / "words").read_bytes() == b"of an image"
    await shown(cri, "image", "unmount", "r.example/m:1")
    assert not (path / "words").exists()
    await shown(cri, "image", "rm", id)


async def test_untag_removes_a_name_and_not_the_image(cri: Cri, tmp_path: Path) -> None:
    id = await have(cri, tmp_path, "r.example/x:1", Tar().file("a", b"a"))
    await shown(cri, "image", "tag", id, "r.example/x:2")
    await shown(cri, "image", "untag", id, "r.example/x:1")
    assert (await shown_json(cri, "image", "inspect", id))["RepoTags"] == ["r.example/x:2"]
    gone = await cri_shim(cri, "image", "untag", id, "r.example/x:1")
    assert (gone.returncode, gone.stderr.count(b"\n")) == (4, 1)
    await shown(cri, "image", "rm", id)


async def test_an_image_that_is_not_there_is_a_sentence(cri: Cri) -> None:
    for action in ("inspect", "history", "untag", "mount", "diff"):
        done = await cri_shim(cri, "image", action, "r.example/nosuch:1")
        assert (done.returncode, done.stderr) == (
            4,
            b"cri-shim: image r.example/nosuch:1 is not on this node; pull it first\n",
        )
