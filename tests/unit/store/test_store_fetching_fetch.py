"""The dialogue with a worker process, without an image store."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import NotFound, ToolFailed, Unavailable
from cri_shim.store.fetching import worker
from cri_shim.store.fetching.fetch import error_of
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.fetching.progress import LayerProgress, Pulls
from tests.fixtures.processes import children
from tests.fixtures.waiting import until

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "WORKER", "tests.fixtures.fetch_worker")


@pytest.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    made = Fetcher(architecture="amd64", registries_conf=tmp_path / "steps", standby=30)
    yield made
    await made.close()
    assert children() == []


def steps(tmp_path: Path, *found: list[Any]) -> None:
    (tmp_path / "steps").write_text(json.dumps(found))


async def failure_of(fetcher: Fetcher, tmp_path: Path) -> Exception:
    pulls = Pulls()
    with pulls.running("app:1", "key") as seen, pytest.raises(ToolFailed) as error:
        async with fetcher.open("app:1", None, tmp_path, seen) as dialogue:
            await dialogue.image()
    return error.value


async def test_a_worker_waits_for_the_next_pull_and_is_used_by_it(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    steps(tmp_path, ["exit", 3])
    assert "exit status 3" in str(await failure_of(fetcher, tmp_path))
    await until(lambda: fetcher._standby.waiting is not None)
    waiting = fetcher._standby.waiting
    assert waiting is not None

    await failure_of(fetcher, tmp_path)

    assert not waiting.process.running
    assert fetcher._standby.waiting is not waiting


async def test_a_worker_that_died_while_it_waited_is_replaced(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    steps(tmp_path, ["exit", 3])
    await failure_of(fetcher, tmp_path)
    await until(lambda: fetcher._standby.waiting is not None)
    waiting = fetcher._standby.waiting
    assert waiting is not None
    waiting.process.kill()
    await waiting.process.wait()

    assert "exit status 3" in str(await failure_of(fetcher, tmp_path))


async def test_a_worker_waits_only_for_a_while(tmp_path: Path) -> None:
    steps(tmp_path, ["exit", 3])
    fetcher = Fetcher(architecture="amd64", registries_conf=tmp_path / "steps", standby=0.1)
    await failure_of(fetcher, tmp_path)
    await until(lambda: not children())
    assert fetcher._standby.waiting is None
    await fetcher.close()


async def test_bytes_and_hosts_of_a_transfer_are_seen(fetcher: Fetcher, tmp_path: Path) -> None:
    def event(kind: str, **more: object) -> list[Any]:
        return ["say", {"event": kind, "digest": DIGEST, **more}]

    steps(
        tmp_path, ["await", "fetch"], event("blob", done=10), event("host", host="mirror"),
        event("blob", done=4), event("blob", done=30), event("whole"), event("blob", done=1),
    )  # fmt: skip
    layer = LayerProgress(DIGEST, 20)
    with Pulls().running("app:1", "key") as seen:
        async with fetcher.open("app:1", None, tmp_path, seen) as dialogue:
            await dialogue.whole(dialogue.fetch(layer))
    assert (layer.done, layer.host) == (20, "mirror")


async def test_a_warning_of_the_worker_is_logged(
    fetcher: Fetcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warning = {"event": "warning", "message": "auth.json is not used"}
    steps(tmp_path, ["say", warning], ["exit", 3])

    await failure_of(fetcher, tmp_path)

    assert "pull of app:1: auth.json is not used" in caplog.text


async def test_a_cancelled_transfer_is_told_to_the_worker_and_its_events_are_dropped(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    failed = {"event": "failed", "digest": DIGEST, "kind": "invalid", "message": "no"}
    steps(tmp_path, ["await", "cancel"], ["say", failed], ["touch", str(mark)])
    with Pulls().running("app:1", "key") as seen:
        async with fetcher.open("app:1", None, tmp_path, seen) as dialogue:
            transfer = dialogue.fetch(LayerProgress(DIGEST, 20))
            dialogue.cancel(DIGEST)
            await until(mark.exists)
            assert transfer.ended.cancelled()


async def test_who_gives_up_leaves_no_process(tmp_path: Path) -> None:
    steps(tmp_path, ["await", "never"])
    fetcher = Fetcher(architecture="amd64", registries_conf=tmp_path / "steps", standby=0)
    with Pulls().running("app:1", "key") as seen:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), fetcher.open("app:1", None, tmp_path, seen) as one:
                await one.image()
    assert children() == []


def test_the_error_of_a_full_disk_names_the_directory() -> None:
    error = error_of("no_space", "cannot write the blob", Path("/layouts"))
    assert isinstance(error, Unavailable)
    assert "/layouts" in str(error)


def test_an_unknown_kind_is_a_failure_of_the_tool() -> None:
    assert type(error_of("new", "what", Path("/"))) is ToolFailed
    assert type(error_of("not_found", "what", Path("/"))) is NotFound
