"""The order of a layer's two processes: the transfer of its blob, and its unpacking."""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import pytest

from cri_shim.errors import RegistryUnavailable, ToolFailed, Unavailable
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.fetching.fetch import Fetch, Transfer
from cri_shim.store.fetching.following import AT_ONCE, Following
from cri_shim.store.fetching.progress import LayerProgress
from tests.fixtures.waiting import until

DIFF_ID = "sha256:" + "d" * 64


class Unpacking:
    """Stands in for the layers: what it unpacked, and how."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.error: Exception | None = None

    async def follow(self, blob: Path, diff_id: str, news: int) -> tuple[Path, LayerRecord]:
        self.begun.append("follow")
        try:
            if self.error is not None:
                raise self.error
            os.set_blocking(news, False)
            while True:
                try:
                    assert os.read(news, 1) == b"w"
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.001)
        finally:
            self.ended.append("follow")
        return blob, LayerRecord(diff_id=diff_id)

    async def unpack(self, blob: Path, diff_id: str) -> tuple[Path, LayerRecord]:
        self.begun.append("unpack")
        return blob, LayerRecord(diff_id=diff_id)


class Transfers:
    """Stands in for the dialogue with a worker."""

    async def whole(self, transfer: Transfer) -> None:
        await asyncio.shield(transfer.ended)

    def part(self, digest: str) -> Path:
        return Path("/blobs") / digest


@pytest.fixture
def layers() -> Unpacking:
    return Unpacking()


@pytest.fixture
async def transfer() -> Transfer:
    made = Transfer(LayerProgress("sha256:b", 100))
    made.begun.set()
    return made


def unpack(layers: Unpacking, transfer: Transfer) -> "asyncio.Task[tuple[Path, LayerRecord]]":
    following = Following(cast(Any, layers))
    return asyncio.create_task(following.unpack(cast(Fetch, Transfers()), transfer, DIFF_ID))


async def test_the_layer_is_there_only_after_the_blob_is_whole(
    layers: Unpacking, transfer: Transfer
) -> None:
    task = unpack(layers, transfer)
    await until(lambda: layers.begun)
    assert not task.done()
    transfer.ended.set_result(None)
    assert (await task)[1].diff_id == DIFF_ID
    assert layers.begun == ["follow"]
    assert transfer.layer.state == "unpacking"


async def test_a_transfer_that_begins_again_is_followed_again(
    layers: Unpacking, transfer: Transfer
) -> None:
    task = unpack(layers, transfer)
    for times in (1, 2):
        await until(lambda: len(layers.begun) == times)  # noqa: B023
        transfer.restart()
    await until(lambda: len(layers.begun) == 3)
    assert len(layers.ended) == 2
    transfer.ended.set_result(None)
    await task


async def test_an_end_together_with_a_new_start_takes_the_new_file(
    layers: Unpacking, transfer: Transfer
) -> None:
    task = unpack(layers, transfer)
    await until(lambda: layers.begun)
    transfer.restart()
    transfer.ended.set_result(None)
    await task
    assert layers.begun == ["follow", "unpack"]


async def test_an_error_of_the_transfer_comes_before_that_of_the_content(
    layers: Unpacking, transfer: Transfer
) -> None:
    layers.error = ToolFailed("the gzip stream is damaged")
    task = unpack(layers, transfer)
    await until(lambda: layers.ended)
    transfer.fail(RegistryUnavailable("cut off"))
    with pytest.raises(RegistryUnavailable, match="cut off"):
        await task


async def test_damaged_bytes_that_a_new_start_replaces_do_no_harm(
    layers: Unpacking, transfer: Transfer
) -> None:
    layers.error = ToolFailed("the gzip stream is damaged")
    task = unpack(layers, transfer)
    await until(lambda: layers.ended)
    layers.error = None
    transfer.restart()
    await until(lambda: len(layers.begun) == 2)
    transfer.ended.set_result(None)
    await task


async def test_a_full_disk_ends_it_at_once(layers: Unpacking, transfer: Transfer) -> None:
    layers.error = Unavailable("no space left")
    with pytest.raises(Unavailable, match="no space"):
        await asyncio.wait_for(unpack(layers, transfer), 5)


async def test_who_gives_up_ends_the_unpacking(layers: Unpacking, transfer: Transfer) -> None:
    task = unpack(layers, transfer)
    await until(lambda: layers.begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert layers.ended == ["follow"]


async def test_beyond_the_limit_a_layer_is_unpacked_when_its_blob_is_whole(
    layers: Unpacking,
) -> None:
    following = Following(cast(Any, layers))
    transfers = [Transfer(LayerProgress(f"sha256:{n}", 1)) for n in range(AT_ONCE + 1)]
    for one in transfers:
        one.begun.set()
    fetch = cast(Fetch, Transfers())
    tasks = [asyncio.create_task(following.unpack(fetch, one, DIFF_ID)) for one in transfers]
    await until(lambda: len(layers.begun) == AT_ONCE)
    transfers[-1].ended.set_result(None)
    await tasks[-1]
    assert layers.begun[-1] == "unpack"
    for one in transfers[:-1]:
        one.ended.set_result(None)
    await asyncio.gather(*tasks)
