"""Writable layers are measured in the background, and told from memory."""

import asyncio
from pathlib import Path

import pytest

from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from cri_shim.store.mounting import writable
from cri_shim.store.mounting.writable import WritableLayers


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "c" / "etc").mkdir(parents=True)
    (tmp_path / "c" / "etc" / "motd").write_text("x" * 5000)
    return tmp_path


async def test_a_new_layer_is_told_at_the_first_question(layer: Path) -> None:
    layers = WritableLayers(lambda id: layer / id)
    measured = layers.of("c")
    assert measured is not None
    assert measured.usage == disk.usage(layer / "c")
    assert measured.usage.inodes == 3
    await layers.close()


async def test_a_large_layer_is_unknown_until_it_was_walked(
    layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writable, "FIRST_WALK_FILES", 2)
    layers = WritableLayers(lambda id: layer / id)
    assert layers.of("c") is None
    await layers.walked()
    measured = layers.of("c")
    assert measured is not None
    assert measured.usage.inodes == 3
    await layers.close()


async def test_what_is_young_is_not_walked_again(layer: Path) -> None:
    layers = WritableLayers(lambda id: layer / id)
    first = layers.of("c")
    (layer / "c" / "more").touch()
    await layers.walked()
    assert layers.of("c") is first
    await layers.close()


async def test_what_is_old_is_told_at_once_and_renewed(
    layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writable, "RENEW_S", 0.0)
    monkeypatch.setattr(writable, "_REST_FACTOR", 0.0)
    layers = WritableLayers(lambda id: layer / id)
    first = layers.of("c")
    (layer / "c" / "more").touch()
    assert layers.of("c") is first
    await layers.walked()
    renewed = layers.of("c")
    assert renewed is not None
    assert renewed.usage.inodes == 4
    await layers.close()


async def test_a_container_that_is_gone_is_forgotten_while_it_is_walked(
    layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writable, "FIRST_WALK_FILES", 1)
    layers = WritableLayers(lambda id: layer / id)
    layers.of("c")
    await asyncio.sleep(0)
    layers.forget("c")
    await layers.walked()
    assert layers._known == {}
    await layers.close()


async def test_a_layer_that_is_not_there_is_empty(tmp_path: Path) -> None:
    layers = WritableLayers(lambda id: tmp_path / id)
    measured = layers.of("none")
    assert measured is not None
    assert measured.usage == Usage(0, 0)
    await layers.close()


async def test_the_total_waits_for_what_was_never_measured(layer: Path) -> None:
    layers = WritableLayers(lambda id: layer / id)
    (layer / "d").mkdir()
    for id in ("c", "d", "none"):
        layers.add(id)
    assert await layers.total() == disk.usage(layer / "c") + disk.usage(layer / "d")
    layers.forget("c")
    assert await layers.total() == disk.usage(layer / "d")
    await layers.close()


async def test_the_total_is_told_without_a_layer_that_takes_too_long(
    layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writable, "TOTAL_S", 0.0)
    layers = WritableLayers(lambda id: layer / id)
    layers.add("c")
    assert await layers.total() == Usage(0, 0)
    await layers.walked()
    assert await layers.total() == disk.usage(layer / "c")
    await layers.close()


async def test_what_could_not_be_seen_is_named_once(
    layer: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writable, "RENEW_S", 0.0)
    monkeypatch.setattr(writable, "_REST_FACTOR", 0.0)
    monkeypatch.setattr(disk, "usage_unless", lambda *_: Usage(1, 1, unseen=2))
    layers = WritableLayers(lambda id: layer / id)
    for _ in range(3):
        layers.of("c")
        await layers.walked()
    await layers.close()
    assert caplog.text.count("2 places in its writable layer could not be looked into") == 1
