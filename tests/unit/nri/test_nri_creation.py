"""Adjustments of several plugins become one; contradictions are errors that name both plugins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import ToolFailed
from cri_shim.nri.creation import Creation
from cri_shim.pb import nri_pb2 as pb


def creation() -> Creation:
    container = pb.Container(
        id="c",
        args=["sh"],
        env=["PATH=/bin", "EMPTY"],
        mounts=[pb.Mount(destination="/proc", type="proc"), pb.Mount(destination="/data")],
        annotations={"a": "1"},
    )
    container.linux.namespaces.add(type="network", path="/run/netns/x")
    container.linux.resources.memory.limit.value = 1000
    return Creation(pb.CreateContainerRequest(container=container))


def adjusts(**fields: object) -> pb.CreateContainerResponse:
    return pb.CreateContainerResponse(adjust=pb.ContainerAdjustment(**fields))  # type: ignore[arg-type]


def linux(**fields: object) -> pb.CreateContainerResponse:
    return adjusts(linux=pb.LinuxContainerAdjustment(**fields))  # type: ignore[arg-type]


def env(**values: str) -> list[pb.KeyValue]:
    return [pb.KeyValue(key=key, value=value) for key, value in values.items()]


def removed(name: str) -> pb.KeyValue:
    return pb.KeyValue(key=f"-{name}")


def test_the_next_plugin_gets_the_changes_of_those_before() -> None:
    made = creation()
    made.add(
        "10-a", adjusts(env=[*env(NEW="1"), removed("EMPTY")], annotations={"b": "2", "-a": ""})
    )

    container = made.request.container
    assert list(container.env) == ["PATH=/bin", "NEW=1"]
    assert dict(container.annotations) == {"b": "2"}
    assert dict(made.adjust.annotations) == {"b": "2", "-a": ""}
    assert [(e.key, e.value) for e in made.adjust.env] == [("-EMPTY", ""), ("NEW", "1")]


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (adjusts(annotations={"k": "v"}), "Annotations k"),
        (adjusts(mounts=[pb.Mount(destination="/m")]), "Mounts /m"),
        (adjusts(env=env(E="1")), "Env E"),
        (adjusts(args=["x"]), "Args"),
        (adjusts(rlimits=[pb.POSIXRlimit(type="RLIMIT_CORE")]), "Rlimits RLIMIT_CORE"),
        (adjusts(CDI_devices=[pb.CDIDevice(name="v/c=d")]), "CdiDevices v/c=d"),
        (linux(devices=[pb.LinuxDevice(path="/dev/x")]), "Devices /dev/x"),
        (linux(cgroups_path="/x"), "CgroupsPath"),
        (linux(oom_score_adj=pb.OptionalInt(value=1)), "OomScoreAdj"),
        (linux(io_priority=pb.LinuxIOPriority()), "IoPriority"),
        (linux(seccomp_policy=pb.LinuxSeccomp()), "SeccompPolicy"),
        (linux(namespaces=[pb.LinuxNamespace(type="ipc")]), "Namespace ipc"),
        (linux(sysctl={"net.x": "1"}), "Sysctl net.x"),
        (linux(net_devices={"eth9": pb.LinuxNetDevice()}), "LinuxNetDevices eth9"),
        (linux(scheduler=pb.LinuxScheduler()), "LinuxSched"),
        (linux(rdt=pb.LinuxRdt(clos_id=pb.OptionalString())), "RdtClosID"),
        (linux(rdt=pb.LinuxRdt(schemata=pb.OptionalRepeatedString())), "RdtSchemata"),
        (linux(memory_policy=pb.LinuxMemoryPolicy()), "MemoryPolicy"),
        (linux(resources=pb.LinuxResources(unified={"cpu.max": "1"})), "CgroupsUnified cpu.max"),
        (linux(resources=pb.LinuxResources(pids=pb.LinuxPids())), "PidsLimit"),
        (linux(resources=pb.LinuxResources(cpu=pb.LinuxCPU(cpus="0"))), "CPUSetCPUs"),
    ],
)
def test_two_plugins_cannot_set_the_same_field(
    answer: pb.CreateContainerResponse, field: str
) -> None:
    made = creation()
    made.add("10-a", answer)

    with pytest.raises(ToolFailed, match=f"NRI plugins 20-b and 10-a both set {field} of"):
        made.add("20-b", answer)


@pytest.mark.parametrize(
    "answer",
    [
        adjusts(annotations={"k": "new", "-k": ""}),
        adjusts(env=[removed("E"), *env(E="new")]),
        adjusts(mounts=[pb.Mount(destination="-/m"), pb.Mount(destination="/m", source="new")]),
        adjusts(args=["", "new"]),
        linux(devices=[pb.LinuxDevice(path="-/d"), pb.LinuxDevice(path="/d", type="c")]),
        linux(sysctl={"net.x": "new", "-net.x": ""}),
    ],
)
def test_a_plugin_may_replace_what_it_removes(answer: pb.CreateContainerResponse) -> None:
    made = creation()
    made.add(
        "10-a",
        adjusts(
            annotations={"k": "old"},
            env=env(E="old"),
            mounts=[pb.Mount(destination="/m", source="old")],
            args=["old"],
            linux=pb.LinuxContainerAdjustment(
                devices=[pb.LinuxDevice(path="/d", type="b")], sysctl={"net.x": "old"}
            ),
        ),
    )
    made.add("20-b", answer)

    found = [
        *(("annotation", v) for k, v in made.adjust.annotations.items() if k == "k"),
        *(("env", e.value) for e in made.adjust.env if e.key == "E"),
        *(("mount", m.source) for m in made.adjust.mounts if m.destination == "/m"),
        *(("args", argument) for argument in made.adjust.args),
        *(("device", d.type) for d in made.adjust.linux.devices if d.path == "/d"),
        *(("sysctl", v) for k, v in made.adjust.linux.sysctl.items() if k == "net.x"),
    ]
    old = {"annotation": "old", "env": "old", "mount": "old", "args": "old"}
    old |= {"device": "b", "sysctl": "old"}
    changed = [(kind, value) for kind, value in found if old[kind] != value]
    assert len(found) == 6
    assert len(changed) == 1


def test_hooks_of_all_plugins_are_kept_in_order() -> None:
    made = creation()
    made.add("10-a", adjusts(hooks=pb.Hooks(prestart=[pb.Hook(path="/a")])))
    made.add(
        "20-b",
        adjusts(hooks=pb.Hooks(prestart=[pb.Hook(path="/b")], poststop=[pb.Hook(path="/c")])),
    )

    assert [hook.path for hook in made.adjust.hooks.prestart] == ["/a", "/b"]
    assert [hook.path for hook in made.request.container.hooks.poststop] == ["/c"]
    assert made.owners.of("c", "OciHooks") == "10-a,20-b"


def test_a_namespace_is_replaced_or_removed() -> None:
    made = creation()
    made.add("10-a", linux(namespaces=[pb.LinuxNamespace(type="-network")]))
    made.add("20-b", linux(namespaces=[pb.LinuxNamespace(type="ipc", path="/x")]))

    assert [(n.type, n.path) for n in made.request.container.linux.namespaces] == [("ipc", "/x")]
    assert [n.type for n in made.adjust.linux.namespaces] == ["-network", "ipc"]


def test_limits_of_different_fields_come_together() -> None:
    made = creation()
    memory = pb.LinuxMemory(limit=pb.OptionalInt64(value=7))
    made.add("10-a", linux(resources=pb.LinuxResources(memory=memory)))
    cpu = pb.LinuxCPU(shares=pb.OptionalUInt64(value=9), mems="0")
    made.add("20-b", linux(resources=pb.LinuxResources(cpu=cpu)))

    for found in (made.adjust.linux.resources, made.request.container.linux.resources):
        assert (found.memory.limit.value, found.cpu.shares.value, found.cpu.mems) == (7, 9, "0")


def test_huge_pages_are_collected_by_size() -> None:
    made = creation()
    for plugin, size in (("10-a", "2MB"), ("20-b", "1GB")):
        page = pb.HugepageLimit(page_size=size, limit=1)
        made.add(plugin, linux(resources=pb.LinuxResources(hugepage_limits=[page])))

    assert [p.page_size for p in made.adjust.linux.resources.hugepage_limits] == ["2MB", "1GB"]
    with pytest.raises(ToolFailed, match="both set HugepageLimits 2MB"):
        made.add(
            "30-c",
            linux(resources=pb.LinuxResources(hugepage_limits=[pb.HugepageLimit(page_size="2MB")])),
        )


def test_rdt_is_removed_and_set_again_by_one_plugin() -> None:
    made = creation()
    made.add("10-a", linux(rdt=pb.LinuxRdt(clos_id=pb.OptionalString(value="gold"))))
    made.add(
        "20-b",
        linux(rdt=pb.LinuxRdt(remove=True, enable_monitoring=pb.OptionalBool(value=True))),
    )

    rdt = made.adjust.linux.rdt
    assert (rdt.remove, rdt.HasField("clos_id"), rdt.enable_monitoring.value) == (True, False, True)


def test_a_net_device_can_be_removed_again() -> None:
    made = creation()
    made.add("10-a", linux(net_devices={"eth9": pb.LinuxNetDevice(name="x")}))
    made.add("20-b", linux(net_devices={"-eth9": pb.LinuxNetDevice()}))

    assert list(made.adjust.linux.net_devices) == ["-eth9"]
    assert dict(made.request.container.linux.net_devices) == {}


def test_a_plugin_cannot_update_the_container_that_is_created() -> None:
    answer = pb.CreateContainerResponse(update=[pb.ContainerUpdate(container_id="c")])

    with pytest.raises(ToolFailed, match="10-a updates container c, which is being created"):
        creation().add("10-a", answer)


def test_updates_and_evictions_of_others_are_collected() -> None:
    made = creation()
    made.add(
        "10-a",
        pb.CreateContainerResponse(
            update=[pb.ContainerUpdate(container_id="d")],
            evict=[pb.ContainerEviction(container_id="e", reason="old")],
        ),
    )

    assert [(who, update.container_id) for who, update in made.updates.others()] == [("10-a", "d")]
    assert made.updates.evictions == {"e": "10-a: old"}


names = st.text(st.sampled_from("-abE="), max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["10-a", "20-b"]), names, names), max_size=8))
def test_any_order_of_removals_and_additions_ends_in_one_state(
    steps: list[tuple[str, str, str]],
) -> None:
    made = creation()
    for plugin, key, value in steps:
        answer = adjusts(
            annotations={key: value},
            env=[pb.KeyValue(key=key, value=value)],
            mounts=[pb.Mount(destination=key, source=value)],
        )
        try:
            made.add(plugin, answer)
        except ToolFailed:
            break
    destinations = [m.destination for m in made.adjust.mounts]
    assert len(set(destinations)) == len(destinations) or any(
        d.startswith("-") for d in destinations
    )
