"""ADD, CHECK and DEL of a chain of fake plugins, through the class Network."""

import json
import shutil

import pytest

from cri_shim.errors import InvalidArgument, TimedOut, ToolFailed, Unavailable
from cri_shim.network.network import Network
from cri_shim.pb import api_pb2

FAIL = """echo '{"code": 100, "msg": "broken"}'; exit 1"""
MAPPED = [api_pb2.PortMapping(host_port=80, container_port=80)]


async def test_add_runs_the_list_in_order_with_the_previous_result(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    older = '{"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.1.1.1/8"}]}'
    fakes.make("two", ADD=f"echo '{older}'")
    fakes.make("three")
    write_list("one", "two", "three")
    await network.start()

    attached = await network.attach(planned(network))

    assert fakes.calls() == ["ADD one", "ADD two", "ADD three"]
    assert "prevResult" not in fakes.stdin("ADD", "one")
    assert fakes.stdin("ADD", "two")["prevResult"]["ips"][0]["address"] == "10.9.0.2/24"
    assert fakes.stdin("ADD", "three")["prevResult"]["cniVersion"] == "1.0.0"
    assert attached.ips == ["10.9.0.2"]
    assert json.loads(attached.result)["ips"][0]["gateway"] == "10.9.0.1"
    assert len(list((tmp_path / "cache" / "results").iterdir())) == 1


async def test_del_runs_the_list_in_reverse_with_the_final_result_and_clears_the_cache(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    fakes.make("two")
    write_list("one", "two")
    await network.start()
    record = planned(network)
    await network.attach(record)

    await network.detach(record)
    await network.detach(record)

    assert fakes.calls()[2:4] == ["DEL two", "DEL one"]
    assert fakes.env("DEL", "one")["CNI_ARGS"] == fakes.env("ADD", "one")["CNI_ARGS"]
    assert list((tmp_path / "cache" / "results").iterdir()) == []


async def test_del_passes_the_cached_result_and_the_namespace_to_the_plugins(
    network, fakes, write_list, planned
):
    fakes.make("one")
    write_list("one")
    await network.start()
    record = planned(network)
    await network.attach(record)

    await network.detach(record)

    assert fakes.stdin("DEL", "one")["prevResult"]["ips"][0]["address"] == "10.9.0.2/24"
    assert fakes.env("DEL", "one")["CNI_NETNS"] == "/proc/self/ns/net"


async def test_del_needs_only_the_record(network, fakes, write_list, planned, conf_dir, tmp_path):
    fakes.make("one")
    write_list({"type": "one", "mtu": 1234})
    await network.start()
    record = planned(network)
    record.network.result = (await network.attach(record)).result
    await network.stop()
    shutil.rmtree(conf_dir)
    for entry in (tmp_path / "cache" / "results").iterdir():
        entry.write_bytes(b"")
    record.network.netns_path = str(tmp_path / "gone")
    later = Network(
        conf_dir,
        [fakes.directory],
        tmp_path / "cache",
        bundled=None,
        add_timeout=60,
        del_timeout=60,
    )

    await later.detach(record)

    told = fakes.stdin("DEL", "one")
    assert told["mtu"] == 1234
    assert told["prevResult"]["ips"][0]["address"] == "10.9.0.2/24"  # the record's copy
    assert fakes.env("DEL", "one")["CNI_NETNS"] == ""
    assert list((tmp_path / "cache" / "results").iterdir()) == []


async def test_a_plain_file_where_the_namespace_was_counts_as_gone(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    write_list("one")
    await network.start()
    (tmp_path / "netns").touch()
    record = planned(network, netns=str(tmp_path / "netns"))

    await network.detach(record)

    assert fakes.env("DEL", "one")["CNI_NETNS"] == ""


async def test_a_failed_add_is_followed_by_del_of_the_whole_list(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    fakes.make("two", ADD=FAIL)
    fakes.make("three")
    write_list("one", "two", "three")
    await network.start()

    with pytest.raises(ToolFailed, match=r"CNI plugin two: ADD of network net .* broken"):
        await network.attach(planned(network))

    assert fakes.calls() == ["ADD one", "ADD two", "DEL three", "DEL two", "DEL one"]
    assert not (tmp_path / "cache" / "results").exists()


@pytest.mark.parametrize("answer", ["true", "echo '{}{}'", """echo '{"cniVersion": "x"}'"""])
async def test_an_unreadable_result_fails_add_and_is_cleaned_up(
    network, fakes, write_list, planned, answer
):
    fakes.make("one", ADD=answer)
    write_list("one")
    await network.start()

    with pytest.raises(ToolFailed, match=r"CNI plugin one: .* its result is unreadable"):
        await network.attach(planned(network))

    assert fakes.calls() == ["ADD one", "DEL one"]


@pytest.mark.large
async def test_the_time_limit_of_add_is_for_the_whole_list(
    conf_dir, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    fakes.make("two", ADD="sleep 60")
    write_list("one", "two")
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=0.5, del_timeout=60
    )
    await network.start()

    with pytest.raises(TimedOut, match="CNI plugin two: ADD"):
        await network.attach(planned(network))
    await network.stop()

    assert fakes.calls()[-2:] == ["DEL two", "DEL one"]


async def test_del_runs_every_plugin_and_reports_all_failures(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one", DEL=FAIL)
    fakes.make("two")
    gone = fakes.make("three")
    write_list("one", "two", "three")
    await network.start()
    record = planned(network)
    await network.attach(record)
    gone.unlink()

    with pytest.raises(ToolFailed) as failure:
        await network.detach(record)

    assert fakes.calls()[-2:] == ["DEL two", "DEL one"]
    assert f"CNI plugin three is not installed (looked in {fakes.directory})" in str(failure.value)
    assert "CNI plugin one: DEL of network net" in str(failure.value)
    assert len(list((tmp_path / "cache" / "results").iterdir())) == 1  # for the next try


@pytest.mark.large
async def test_a_plugin_that_hangs_in_del_leaves_time_to_the_others(
    conf_dir, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    fakes.make("two", DEL="sleep 60")
    write_list("one", "two")
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "cache", del_timeout=2, add_timeout=60
    )
    await network.start()
    record = planned(network)

    with pytest.raises(ToolFailed, match=r"CNI plugin two: DEL .* did not end within 1 s"):
        await network.detach(record)
    await network.stop()

    assert fakes.calls()[-1] == "DEL one"


async def test_every_attachment_of_a_record_is_detached_the_last_one_first(
    network, fakes, write_list, planned
):
    fakes.make("one", DEL=FAIL)
    write_list("one")
    await network.start()
    record = planned(network)
    second = record.network.attachments.add()
    second.CopyFrom(record.network.attachments[0])
    second.interface = "eth1"
    record.network.attachments.add(network="torn", interface="eth2", config=b"{")

    with pytest.raises(ToolFailed, match="its record of network torn"):
        await network.detach(record)

    assert fakes.calls() == ["DEL one", "DEL one"]


async def test_an_idle_portmap_is_left_out_of_add_and_of_del(network, fakes, write_list, planned):
    fakes.make("one")
    fakes.make("portmap")
    write_list("one", {"type": "portmap", "capabilities": {"portMappings": True}})
    await network.start()
    record = planned(network)

    await network.attach(record)
    await network.detach(record)

    assert list(record.network.attachments[0].skipped_plugins) == ["portmap"]
    assert fakes.calls() == ["ADD one", "DEL one"]


async def test_a_portmap_with_mappings_gets_the_same_ones_in_add_and_del(
    network, fakes, write_list, planned
):
    fakes.make("one")
    fakes.make("portmap")
    write_list("one", {"type": "portmap", "capabilities": {"portMappings": True}})
    await network.start()
    record = planned(network, port_mappings=MAPPED)

    await network.attach(record)
    await network.detach(record)

    expected = {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}
    assert fakes.stdin("ADD", "portmap")["runtimeConfig"] == expected
    assert fakes.stdin("DEL", "portmap")["runtimeConfig"] == expected
    assert "runtimeConfig" not in fakes.stdin("ADD", "one")


async def test_del_gets_no_result_before_0_4_0(network, fakes, write_list, planned):
    fakes.make("one", versions=["0.3.1"])
    write_list("one", cniVersion="0.3.1")
    await network.start()
    record = planned(network)
    await network.attach(record)

    await network.detach(record)

    assert "prevResult" not in fakes.stdin("DEL", "one")


async def test_a_full_disk_does_not_fail_an_attachment(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    write_list("one")
    await network.start()
    record = planned(network)
    (tmp_path / "cache").write_text("in the way of the directory")

    attached = await network.attach(record)
    await network.detach(record)

    assert attached.ips == ["10.9.0.2"]


async def test_a_pod_of_the_host_network_has_no_plan_even_without_any_network(network, pod):
    await network.start()
    record = pod()
    record.config.linux.security_context.namespace_options.network = api_pb2.NODE

    assert network.plan(record) == []


async def test_no_pod_is_planned_while_no_network_is_ready(network, pod, conf_dir):
    await network.start()

    with pytest.raises(Unavailable, match=f"no CNI configuration file in {conf_dir}/"):
        network.plan(pod())


async def test_an_impossible_bandwidth_is_refused_at_the_plan(network, fakes, write_list, pod):
    fakes.make("one")
    write_list("one")
    await network.start()

    with pytest.raises(InvalidArgument):
        network.plan(pod(annotations={"kubernetes.io/ingress-bandwidth": "much"}))


async def test_gc_detaches_only_unclaimed_attachments(
    network, fakes, write_list, planned, tmp_path
):
    fakes.make("one")
    write_list("one")
    await network.start()
    kept, stale = planned(network, id="aa"), planned(network, id="bb")
    await network.attach(kept)
    await network.attach(stale)

    await network.gc(lambda: [("aa", "eth0")])

    assert fakes.calls()[2:] == ["DEL one"]
    assert fakes.env("DEL", "one")["CNI_CONTAINERID"] == "bb"
    assert [path.name for path in (tmp_path / "cache" / "results").iterdir()] == ["net-aa-eth0"]


@pytest.mark.parametrize(
    "keys", ['"ips": []', '"interfaces": [{"name": "br"}], "ips": [{"address": "10.9.0.1/8"%s}]']
)
async def test_a_network_that_gives_no_address_fails_add_and_is_cleaned_up(
    network, fakes, write_list, planned, tmp_path, keys
):
    keys = keys.replace("%s", ', "interface": 0')
    fakes.make("one", ADD=f"""echo '{{"cniVersion": "1.0.0", {keys}}}'""")
    write_list("one")
    await network.start()

    with pytest.raises(ToolFailed, match=r"network net gave pod .* no address.*\"ips\":"):
        await network.attach(planned(network))

    assert fakes.calls() == ["ADD one", "DEL one"]
    assert list((tmp_path / "cache" / "results").iterdir()) == []
