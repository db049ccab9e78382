"""The result cache, as other tools of libcni see it."""

import base64
import json
from pathlib import Path

import pytest

from cri_shim.network.cache import Cache, CachedResult

ENTRY = CachedResult(
    container_id="abc", network="net", interface="eth0", config=b'{"name":"net"}', netns="/n",
    args=(("IgnoreUnknown", "1"),), capability_args={"mac": "m"}, result={"cniVersion": "1.0.0"},
)  # fmt: skip


def test_an_entry_is_stored_in_the_place_and_format_of_libcni(tmp_path):
    Cache(tmp_path).write(ENTRY)

    path = tmp_path / "results" / "net-abc-eth0"
    assert json.loads(path.read_text()) == {
        "kind": "cniCacheV1",
        "containerId": "abc",
        "config": base64.b64encode(b'{"name":"net"}').decode(),
        "ifName": "eth0",
        "networkName": "net",
        "netns": "/n",
        "cniArgs": [["IgnoreUnknown", "1"]],
        "capabilityArgs": {"mac": "m"},
        "result": {"cniVersion": "1.0.0"},
    }
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_entry_reads_back_as_it_was(tmp_path):
    cache = Cache(tmp_path)
    cache.write(ENTRY)

    assert cache.read("net", "abc", "eth0") == ENTRY
    assert list(cache.entries()) == [ENTRY]


def test_every_torn_form_of_an_entry_counts_as_absent(tmp_path):
    cache = Cache(tmp_path)
    cache.write(ENTRY)
    path = cache.path("net", "abc", "eth0")
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert cache.read("net", "abc", "eth0") is None


@pytest.mark.parametrize("content", ["[]", "null", '{"kind": "other"}', '{"kind":"cniCacheV1"}'])
def test_a_file_of_another_kind_counts_as_absent(tmp_path, content):
    cache = Cache(tmp_path)
    cache.write(ENTRY)
    cache.path("net", "abc", "eth0").write_text(content)

    assert cache.read("net", "abc", "eth0") is None
    assert list(cache.entries()) == []


def test_removing_is_idempotent_and_includes_a_half_written_file(tmp_path):
    cache = Cache(tmp_path)
    cache.write(ENTRY)
    (tmp_path / "results" / ".net-abc-eth0").write_text("half")

    cache.remove("net", "abc", "eth0")
    cache.remove("net", "abc", "eth0")

    assert list((tmp_path / "results").iterdir()) == []


def test_a_cache_that_was_never_written_is_empty(tmp_path):
    assert list(Cache(tmp_path).entries()) == []
    assert Cache(tmp_path).read("net", "abc", "eth0") is None


def test_entries_torn_by_a_power_cut_are_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write(ENTRY)
    (tmp_path / "results" / "net-dead-eth0").touch()
    (tmp_path / "results" / ".net-partial-eth0").write_text('{"kind"')
    cache.drop_unreadable()
    kept = cache.path(ENTRY.network, ENTRY.container_id, ENTRY.interface)
    assert list((tmp_path / "results").iterdir()) == [kept]
    Cache(tmp_path / "none").drop_unreadable()
