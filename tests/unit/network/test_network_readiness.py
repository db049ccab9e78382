"""The condition NetworkReady, and which network pods get."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.linux.inotify import Inotify
from cri_shim.network import bundled, watch
from cri_shim.network.driver import NetworkStatus
from cri_shim.network.network import Network


async def until(condition, limit: float = 8) -> None:
    """Return when `condition()` holds; the loop's own events move things on."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - the state of another task
            await asyncio.sleep(0.01)


async def test_without_a_file_the_network_is_not_ready_in_the_words_of_kubernetes(
    network, conf_dir
):
    await network.start()

    assert network.status() == NetworkStatus(
        False,
        "NetworkPluginNotReady",
        f"Network plugin returns error: no CNI configuration file in {conf_dir}/."
        " Has your network provider started?",
    )


async def test_a_sound_network_with_its_plugins_is_ready(network, fakes, write_list):
    fakes.make("one")
    write_list("one")

    await network.start()

    assert network.status() == NetworkStatus(True, "", "")


async def test_an_invalid_file_is_skipped_and_reported(network, fakes, write_list, conf_dir, pod):
    fakes.make("one")
    (conf_dir / "00-torn.conflist").write_text('{"name": ')
    write_list("one")

    await network.start()

    assert network.plan(pod())[0].network == "net"
    assert network.networks().problems[0].startswith(f"{conf_dir}/00-torn.conflist: not JSON")


async def test_a_network_whose_plugin_is_missing_is_not_used(network, write_list, fakes):
    path = write_list("absent")

    await network.start()

    missing = f"{path}: CNI plugin absent is not installed (looked in {fakes.directory})"
    assert network.networks().problems == (missing,)
    assert missing in network.status().message


async def test_a_network_whose_ipam_plugin_is_missing_is_not_used(network, write_list, fakes):
    fakes.make("one")
    write_list({"type": "one", "ipam": {"type": "absent"}})

    await network.start()

    assert not network.status().ready


async def test_a_plugin_without_the_version_makes_its_network_unusable(network, fakes, write_list):
    fakes.make("one", versions=["0.4.0"])
    write_list("one", cniVersion="1.0.0")

    await network.start()

    assert "do not all speak CNI version 1.0.0: one speaks 0.4.0" in network.status().message


async def test_the_newest_version_that_all_plugins_support_is_used(network, fakes, write_list, pod):
    fakes.make("one", versions=["0.4.0", "1.0.0", "1.1.0"])
    fakes.make("two", versions=["0.4.0", "1.0.0"])
    write_list("one", "two", cniVersions=["0.4.0", "1.0.0", "1.1.0"])

    await network.start()

    assert json.loads(network.plan(pod())[0].config)["cniVersion"] == "1.0.0"


async def test_a_named_default_network_is_the_only_one(conf_dir, fakes, write_list, tmp_path, pod):
    fakes.make("one")
    write_list("one", name="first", file="10.conflist")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "cache",
        default_network="mine",
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()
    assert "no usable network 'mine'" in network.status().message

    write_list("one", name="mine", file="20.conflist")
    await until(lambda: network.status().ready)

    assert network.plan(pod())[0].network == "mine"
    await network.stop()


async def test_a_file_that_appears_makes_the_network_ready_before_the_next_poll(
    conf_dir, fakes, write_list, tmp_path
):
    fakes.make("one")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=600,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()

    write_list("one")

    await until(lambda: network.status().ready)
    await network.stop()


async def test_a_plugin_that_is_installed_later_makes_the_network_ready(
    conf_dir, fakes, write_list, tmp_path
):
    write_list("one")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=600,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()
    assert not network.status().ready

    fakes.make("one")

    await until(lambda: network.status().ready)
    await network.stop()


@pytest.mark.large
async def test_after_the_directory_was_replaced_the_network_is_ready_again(
    conf_dir, fakes, write_list, tmp_path
):
    fakes.make("one")
    write_list("one")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=600,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()

    for _ in range(3):
        shutil.rmtree(conf_dir)
        await until(lambda: not network.status().ready)
        conf_dir.mkdir()
        write_list("one")
        await until(lambda: network.status().ready)
    await network.stop()


async def test_a_directory_that_was_moved_away_is_not_followed(
    conf_dir, fakes, write_list, tmp_path
):
    fakes.make("one")
    write_list("one")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=600,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()

    conf_dir.rename(tmp_path / "old")
    await until(lambda: not network.status().ready)
    conf_dir.mkdir()
    write_list("one")

    await until(lambda: network.status().ready)
    await network.stop()


async def test_a_configuration_directory_with_missing_parents_may_appear_later(fakes, tmp_path):
    fakes.make("one")
    conf_dir = tmp_path / "etc" / "cni" / "net.d"
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=0.5,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()

    conf_dir.mkdir(parents=True)
    (conf_dir / "a.conf").write_text('{"cniVersion": "1.0.0", "name": "net", "type": "one"}')

    await until(lambda: network.status().ready)
    await network.stop()


async def test_without_inotify_the_poll_finds_changes_and_the_status_mentions_it(
    conf_dir, fakes, write_list, tmp_path, monkeypatch
):
    def used_up() -> Inotify:
        raise OSError(24, "no inotify instance is left")

    monkeypatch.setattr(watch, "Inotify", used_up)
    fakes.make("one")
    network = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "c",
        bundled=None,
        poll=0.05,
        add_timeout=60,
        del_timeout=60,
    )
    await network.start()
    write_list("one")

    await until(lambda: network.status().ready)

    (note,) = network.status().notes
    assert note == "changes of CNI files are found by polling only: no inotify instance is left"
    await network.stop()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_stopped_network_has_closed_its_watch(conf_dir, fakes, tmp_path):
    before = open_files()
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "c", bundled=None, add_timeout=60, del_timeout=60
    )
    await network.start()

    await network.stop()

    assert open_files() == before


@pytest.mark.large
async def test_a_failing_status_of_a_plugin_makes_the_network_not_ready_until_it_succeeds(
    network, fakes, write_list, tmp_path
):
    answer = (
        f"""test -e {tmp_path}/up || {{ echo '{{"code": 50, "msg": "agent down"}}'; exit 1; }}"""
    )
    fakes.make("one", versions=["1.0.0", "1.1.0"], STATUS=answer)
    write_list("one", cniVersion="1.1.0")
    await network.start()
    assert "CNI plugin one: STATUS of network net: agent down (code 50)" in network.status().message

    (tmp_path / "up").touch()

    await until(lambda: network.status().ready)
    assert "CNI_CONTAINERID" not in fakes.env("STATUS", "one")


async def test_gc_is_never_sent_to_a_network_that_others_may_use_too(network, fakes, write_list):
    fakes.make("one", versions=["1.1.0"])
    write_list("one", cniVersion="1.1.0")
    await network.start()

    await network.gc(list)

    assert fakes.calls() == ["STATUS one"]


async def test_status_is_not_sent_to_lists_before_1_1(network, fakes, write_list):
    fakes.make("one", STATUS="exit 1")
    write_list("one")

    await network.start()

    assert network.status().ready
    assert fakes.calls() == []


class TestBundled:
    @pytest.fixture
    async def network(self, conf_dir, fakes, tmp_path, monkeypatch):
        """The bundled network over fake plugins; its masquerade rule is not made."""
        for kind in ("bridge", "host-local", "portmap"):
            fakes.make(kind)
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
        network = Network(
            conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=60, del_timeout=60
        )
        yield network
        await network.stop()

    async def test_the_bundled_network_is_used_while_the_directory_has_no_file(self, network, pod):
        await network.start()

        told = json.loads(network.plan(pod())[0].config)
        assert (told["name"], told["plugins"][0]["bridge"]) == ("cri-shim", "cri-shim0")

    async def test_the_status_mentions_a_missing_masquerade_rule(self, network):
        await network.start()

        status = network.status()
        assert status.ready
        assert "neither nft nor iptables is installed" in status.notes[0]

    async def test_a_network_provider_replaces_the_bundled_network(
        self, network, fakes, write_list, pod
    ):
        await network.start()
        fakes.make("one")

        write_list("one", name="calico")

        await until(lambda: network.plan(pod())[0].network == "calico")

    async def test_a_broken_file_is_not_replaced_by_the_bundled_network(self, network, conf_dir):
        (conf_dir / "a.conflist").write_text("{")

        await network.start()

        assert "no usable CNI configuration" in network.status().message

    async def test_the_pod_cidr_is_the_bundled_networks_subnet_also_after_a_restart(
        self, network, pod, conf_dir, fakes, tmp_path
    ):
        await network.start()
        await network.set_pod_cidr("10.200.3.0/24,fd00:3::/64")
        again = Network(
            conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=60, del_timeout=60
        )
        await again.start()

        ipam = json.loads(again.plan(pod())[0].config)["plugins"][0]["ipam"]
        assert ipam["ranges"] == [[{"subnet": "10.200.3.0/24"}], [{"subnet": "fd00:3::/64"}]]
        assert network.plan(pod()) == again.plan(pod())
        await again.stop()

    async def test_gc_gives_the_bundled_plugins_the_valid_attachments(self, network, fakes):
        for kind in ("bridge", "portmap"):
            (fakes.directory / kind).unlink()
            fakes.make(kind, versions=["1.0.0", "1.1.0"])
        await network.start()

        await network.gc(lambda: [("aa", "eth0")])

        assert [c for c in fakes.calls() if c.startswith("GC")] == ["GC bridge", "GC portmap"]
        valid = fakes.stdin("GC", "bridge")["cni.dev/valid-attachments"]
        assert valid == [{"containerID": "aa", "ifname": "eth0"}]

    async def test_gc_is_not_sent_to_plugins_that_do_not_support_it(self, network, fakes):
        await network.start()

        await network.gc(list)

        assert fakes.calls() == []

    @pytest.mark.parametrize(
        "cidr", ["10.0.0.1/24", "all", "10.0.0.0/24,10.1.0.0/24", "10.0.0.0/31"]
    )
    async def test_an_impossible_pod_cidr_is_refused(self, network, cidr):
        with pytest.raises(InvalidArgument, match=r"pod_cidr"):
            await network.set_pod_cidr(cidr)


def test_another_subnet_gets_another_bridge_unless_one_is_named(tmp_path):
    shipped, other = bundled.network(tmp_path), bundled.network(tmp_path, ["10.5.0.0/24"])
    named = bundled.network(tmp_path, ["10.5.0.0/24"], "mine0")

    assert bundled.subnets_of(shipped) == ["10.87.0.0/16"]
    assert bundled.network(tmp_path, ["10.87.0.0/16"]) == shipped
    assert other.plugins[0]["bridge"].startswith("cri-shim-")
    assert len(other.plugins[0]["bridge"]) <= 15
    assert named.plugins[0]["bridge"] == "mine0"


def test_reservations_of_the_bundled_network_are_the_instances_own(tmp_path):
    assert bundled.network(tmp_path).plugins[0]["ipam"]["dataDir"] == str(tmp_path)
