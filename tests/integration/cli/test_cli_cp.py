"""cp: files and directories into and out of containers, also hostile ones."""

import os
from pathlib import Path

import pytest

from cri_shim.aio import child
from tests.fixtures.commands import LIMIT_S, command, cri_shim, shown
from tests.fixtures.cri import Cri


@pytest.fixture
async def container(cri: Cri) -> str:
    return await cri.run(await cri.run_pod(), ["sleep", "1000"])


async def test_a_file_goes_into_a_directory_or_gets_a_new_name(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(os.urandom(300_000))
    (tmp_path / "a").chmod(0o640)
    await shown(cri, "cp", str(tmp_path / "a"), f"{container}:/tmp")
    await shown(cri, "cp", str(tmp_path / "a"), f"{container}:/bin/b")
    said = await cri.sh(container, "stat -c '%a %u:%g %s' /tmp/a /bin/b")
    assert said == "640 0:0 300000\n640 0:0 300000\n"
    await shown(cri, "cp", f"{container}:/tmp/a", str(tmp_path / "c"))
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


async def test_a_directory_comes_whole_with_links_in_it(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "file").write_text("words")
    (tree / "same").hardlink_to(tree / "below" / "file")
    (tree / "link").symlink_to("below/file")
    await shown(cri, "cp", str(tree), f"{container}:/srv")
    await cri.sh(container, "ln /srv/same /srv/third")
    said = await cri.sh(container, "cd /srv; cat link same; readlink link")
    assert said == "wordswordsbelow/file\n"
    (tmp_path / "out").mkdir()
    await shown(cri, "cp", f"{container}:/srv", str(tmp_path / "out"))
    found = tmp_path / "out" / "srv"
    assert (found / "link").readlink() == Path("below/file")
    assert (found / "below" / "file").read_text() == "words"
    assert (found / "third").samefile(found / "same")


async def test_a_stopped_container_can_be_copied_from(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    await cri.sh(container, "echo last > /words")
    await cri.stop(container)
    await shown(cri, "cp", f"{container}:/words", str(tmp_path))
    assert (tmp_path / "words").read_text() == "last\n"


async def test_a_tar_goes_through_standard_streams(cri: Cri, container: str) -> None:
    await cri.sh(container, "echo x > /tmp/x")
    done = await child.run(
        command(cri, "cp", f"{container}:/tmp/x", "-"), timeout=LIMIT_S, limit=1 << 20
    )
    assert done.returncode == 0
    into = await child.run(
        command(cri, "cp", "-", f"{container}:/bin"), stdin=done.stdout, timeout=LIMIT_S
    )
    assert (into.returncode, into.stderr) == (0, b"")
    assert await cri.sh(container, "cat /bin/x") == "x\n"


async def test_links_of_the_container_do_not_lead_out_of_it(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("of the node")
    (tmp_path / "mine").write_text("mine")
    await cri.sh(container, f"ln -s {tmp_path} /dir; ln -s {tmp_path}/secret /file")
    out = await cri_shim(cri, "cp", f"{container}:/file", str(tmp_path / "got"))
    into = await cri_shim(cri, "cp", str(tmp_path / "mine"), f"{container}:/dir/x")
    assert (out.returncode, into.returncode) == (1, 1)
    assert b"No such file or directory" in out.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "secret"]


async def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("new")
    await cri.sh(container, "echo old > /victim; ln -s /victim /tmp/f; mkfifo /tmp/fifo")
    await shown(cri, "cp", str(tmp_path / "f"), f"{container}:/tmp")
    await shown(cri, "cp", str(tmp_path / "f"), f"{container}:/tmp/fifo")
    assert await cri.sh(container, "cat /victim /tmp/f /tmp/fifo") == "old\nnewnew"


async def test_what_cannot_be_copied_is_a_sentence(
    cri: Cri, container: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x")
    for words, code, said in (
        ([f"{container}:/etc/hosts", str(tmp_path / "h")], 1, "is in the mount /etc/hosts"),
        ([str(tmp_path / "f"), f"{container}:/proc/x"], 1, "is in the mount /proc"),
        ([f"{container}:/nothing", str(tmp_path / "n")], 1, "No such file or directory"),
        ([str(tmp_path / "f"), f"{container}:/no/such/x"], 1, "No such file or directory"),
        ([str(tmp_path / "no"), f"{container}:/tmp"], 2, "there is no such file"),
        (["a", "b"], 2, "must be CONTAINER:/PATH"),
        (["nosuch:/x", "b"], 4, "nosuch"),
    ):
        done = await cri_shim(cri, "cp", *words)
        assert (done.returncode, done.stderr.count(b"\n")) == (code, 1), done
        assert said in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
