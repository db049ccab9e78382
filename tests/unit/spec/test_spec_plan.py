"""The plan of a new container from its request and the facts of the node."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import declared, plan
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.hooks import Definition, Hook, When
from cri_shim.spec.host import Host
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.mounts import ResolvedMount
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User


def found(context: dict[str, Any] | None = None, **values: Any) -> ContainerInput:
    linux: Any = {"security_context": context or {}}
    made = ContainerInput(
        id="c",
        pod_id="p",
        pod=api_pb2.PodSandboxConfig(),
        config=api_pb2.ContainerConfig(command=["run"], linux=linux),
        image=ImageConfig(),
        user=User(1000, 1000),
        host=Host(cgroup_v2=True, bounding=frozenset()),
        cgroups_path="/c",
        namespaces={"pid": ""},
        hostname="h",
        etc_files={"/etc/hosts": "/pod/hosts"},
        shm="/pod/shm",
        rootfs="/bundle/rootfs",
    )
    return replace(made, **values)


def destinations(made: plan.Plan) -> dict[str, str]:
    return {mount["destination"]: mount["source"] for mount in made.document["mounts"]}


def test_a_volume_is_made_and_in_a_writable_root_it_needs_no_mount() -> None:
    made = plan.decide(found(volumes={"/data": "/var/data"}))

    assert (made.volumes, made.owner) == (("/data",), (1000, 1000))
    assert "/var/data" not in destinations(made)


def test_in_a_read_only_root_a_volume_is_bound_over_itself_once() -> None:
    volumes = {"/data": "/var/data", "/var/data": "/var/data"}
    made = plan.decide(found({"readonly_rootfs": True}, volumes=volumes))

    assert destinations(made)["/var/data"] == "/bundle/rootfs/var/data"
    assert made.sources["/bundle/rootfs/var/data"] == "/bundle/rootfs/var/data"
    assert [m["destination"] for m in made.document["mounts"]].count("/var/data") == 1


@pytest.mark.parametrize("lead", ["/", "/proc/x", "/dev", "/etc", "/mnt", "/mnt/below", "/srv/d"])
def test_a_mount_replaces_the_volume_at_its_path(lead: str) -> None:
    asked = (ResolvedMount("/host", "/link"),)
    default = (ResolvedMount("/copy", "/srv/d/x"),)
    made = plan.decide(
        found(
            volumes={"/v": lead}, mounts=asked, default_mounts=default, real_paths={"/link": "/mnt"}
        )
    )

    assert made.volumes == ()


def test_a_volume_above_a_mount_of_the_request_is_made() -> None:
    asked = (ResolvedMount("/host", "/mnt/below"),)
    assert plan.decide(found(volumes={"/mnt": "/mnt"}, mounts=asked)).volumes == ("/mnt",)


def test_an_image_with_too_many_volumes_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a container has 256 at most"):
        declared.check([str(number) for number in range(257)])


@pytest.mark.parametrize(("ids", "owner"), [(None, (1000, 5)), (7, (70_000, 70_005))])
def test_the_owner_of_a_volume_is_an_id_of_the_pod(ids: int | None, owner: tuple[int, int]) -> None:
    mapped = None if ids is None else IdMap.same(70_000, 100)
    assert declared.owner(mapped, User(1000, 5)) == owner


def test_only_sources_of_the_caller_are_replaced() -> None:
    asked = (ResolvedMount("/host", "/mnt", idmapped=True), ResolvedMount("/other", "/o"))
    made = plan.decide(found(mounts=asked, default_mounts=(ResolvedMount("/copy", "/s"),)))

    assert made.sources == {
        "/host": "/host",
        "/other": "/other",
        "/copy": "",
        "/pod/hosts": "",
        "/pod/shm": "",
    }
    assert made.idmapped == {("/host", "/mnt")}


def test_default_mounts_come_before_those_of_the_request() -> None:
    made = plan.decide(
        found(
            mounts=(ResolvedMount("/host", "/s"),), default_mounts=(ResolvedMount("/copy", "/s"),)
        )
    )

    assert [m["source"] for m in made.document["mounts"] if m["destination"] == "/s"] == [
        "/copy",
        "/host",
    ]


def test_a_working_directory_that_leads_to_proc_is_refused() -> None:
    image = ImageConfig(working_dir="/link")
    with pytest.raises(InvalidArgument, match="'/link' is in /proc") as refused:
        plan.decide(found(image=image, real_paths={"/link": "/proc/self/fd/5"}))

    assert refused.value.field == "config.working_dir"


def test_only_the_nodes_own_dev_is_mounted_as_dev() -> None:
    def asked(fstype: str) -> ContainerInput:
        mount = ResolvedMount("/srv/dev", "/link", fstype=fstype)
        return found(mounts=(mount,), real_paths={"/link": "/dev"})

    with pytest.raises(InvalidArgument, match="/srv/dev is not the node's /dev"):
        plan.decide(asked("ext4"))
    assert "/link" in destinations(plan.decide(asked("devtmpfs")))


def test_a_privileged_container_may_have_any_directory_as_dev() -> None:
    pod = api_pb2.PodSandboxConfig()
    pod.linux.security_context.privileged = True
    mount = ResolvedMount("/srv/dev", "/dev")

    assert plan.decide(found({"privileged": True}, pod=pod, mounts=(mount,))).document


def test_hooks_are_chosen_and_put_into_the_document_in_their_order() -> None:
    def definition(name: str, command: str, *stages: str) -> Definition:
        when = When(commands=(re.compile(command),))
        return Definition(Path(name), Hook(f"/bin/{name}", (), (), 0, when, stages))

    usable = (
        definition("a", "^run$", "precreate"),
        definition("b", "^other$", "poststop"),
        definition("c", "run", "poststop", "precreate"),
    )
    made = plan.decide(found(hooks=usable))

    assert made.hooks == (usable[0], usable[2])
    assert made.document["hooks"] == {"poststop": [{"path": "/bin/c"}]}
