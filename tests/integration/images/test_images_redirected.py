"""Images with files below a symbolic link of a lower layer: what they show, take and leave."""

from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.images import diff, load, mount, remove, save
from tests.fixtures.images import Image, Tar, tree
from tests.integration.images.conftest import Open
from tests.integration.images.test_images_implied import Place, facts, place
from tests.integration.images.test_images_recover import background_done
from tests.integration.images.test_images_usage import of_images, told

__all__ = ["place"]  # a fixture
DATA = b"x" * (1 << 20)


def base() -> Tar:
    tar = Tar().directory("usr").directory("usr/lib", mode=0o750, uid=3).file("usr/lib/ld.so", b"1")
    return tar.symlink("lib", "usr/lib")


def upper() -> Tar:
    return Tar().file("lib/x", DATA, mode=0o4711, uid=5).hard_link("lib/y", "lib/x").file("z")


def listing(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


SEEN = ["lib", "usr", "usr/lib", "usr/lib/ld.so", "usr/lib/x", "usr/lib/y", "z"]


async def test_container_and_volume_show_the_file_where_the_link_leads(place: Place) -> None:
    root = await place.container(base(), upper())
    volume = await mount.mount(place.engine, "x.org/i:1")

    for seen in (root, volume):
        assert listing(seen) == SEEN
        assert (seen / "lib").readlink() == Path("usr/lib")
        assert facts(seen / "usr/lib")[:3] == (0o750, 3, 0)
        assert facts(seen / "lib/x")[:3] == (0o4711, 5, 0)
        assert (seen / "lib/x").samefile(seen / "lib/y")
        assert (seen / "lib/ld.so").read_bytes() == b"1"
    changes = [str(change) for change in await diff.diff(place.engine, "x.org/i:1")]
    assert changes == ["C /usr", "C /usr/lib", "A /usr/lib/x", "A /usr/lib/y", "A /z"]


async def test_the_other_form_takes_the_space_of_its_directories(place: Place) -> None:
    await place.load(base(), upper())
    used, inodes = await told(place.engine)
    really, entries = of_images(place.engine)
    assert used == pytest.approx(really, rel=0.01)
    assert inodes == entries
    # The layer and its blob; a file system of its own has no links, so the files are copied.
    copies = {"directories": 0, "erofs": 1}[place.engine.images.layer_store.kind]
    assert used < (2.2 + copies) * len(DATA)


async def test_a_layer_is_shared_by_images_with_and_without_the_link(place: Place) -> None:
    one = await place.load(base(), upper())
    two = Image([Tar().directory("lib", mode=0o711).bytes(), upper().bytes()])
    file = two.write_docker_archive(place.target.with_name("two.tar"), ["x.org/two:1"])
    await load.load(place.engine, f"docker-archive:{file}")

    assert one.true_diff_ids[1] == two.true_diff_ids[1]
    assert listing(await mount.mount(place.engine, "x.org/i:1")) == SEEN
    plain = await mount.mount(place.engine, "x.org/two:1")
    assert listing(plain) == ["lib", "lib/x", "lib/y", "z"]
    assert facts(plain / "lib")[0] == 0o711


async def test_a_layer_above_replaces_the_file_in_either_way(place: Place) -> None:
    root = await place.container(
        base(),
        upper(),
        Tar().whiteout("lib/y"),
        Tar().file("usr/lib/x", b"new"),
        Tar().file("lib/w"),
    )
    assert listing(root) == [*SEEN[:4], "usr/lib/w", "usr/lib/x", "z"]
    assert (root / "lib/x").read_bytes() == b"new"


async def test_it_is_saved_as_the_same_image(place: Place, tmp_path: Path) -> None:
    image = await place.load(base(), upper())
    before = tree(await mount.mount(place.engine, image.id))
    await mount.unmount(place.engine, image.id)

    assert await save.save(place.engine, image.id, f"oci-archive:{tmp_path}/saved") == image.id
    await remove.remove(place.engine, image.id)
    await background_done(place.engine)
    assert place.images.layers.present() == set()
    assert list(place.images.layers.directory.iterdir()) == []
    await load.load(place.engine, f"oci-archive:{tmp_path}/saved", "x.org/i:1")

    assert tree(await mount.mount(place.engine, image.id)) == before


async def test_it_is_there_after_a_start(open_images: Open, place: Place) -> None:
    image = await place.load(base(), upper())
    stack = place.layers(image)
    again = Place(await open_images(), place.target.parent)

    assert again.layers(image) == stack != image.true_diff_ids
    assert listing(await mount.mount(again.engine, image.id)) == SEEN


async def test_loading_again_makes_nothing_new(place: Place) -> None:
    first = place.layers(await place.load(base(), upper()))
    assert place.layers(await place.load(base(), upper())) == first


@pytest.mark.parametrize("target", ["usr/lib/ld.so", "lib/ld.so", "none"])
async def test_a_hard_link_to_a_file_of_another_layer_is_refused_in_words(
    place: Place, target: str
) -> None:
    with pytest.raises(ToolFailed, match=f"hard link to '{target}', which is not in the layer"):
        await place.load(base(), Tar().hard_link("usr/lib/again", target))
    assert place.images.catalog.images() == []
