"""Mounts: order, what replaces what, propagation, read-only."""

from typing import Any

import pytest

from cri_shim.errors import ImageVolumeMountFailed, InvalidArgument, RROUnsupported
from cri_shim.pb import api_pb2
from cri_shim.spec import mounts
from cri_shim.spec.mounts import ResolvedMount

HOST_TO_CONTAINER = api_pb2.PROPAGATION_HOST_TO_CONTAINER
BIDIRECTIONAL = api_pb2.PROPAGATION_BIDIRECTIONAL


def build(*asked: ResolvedMount, **options: Any) -> list[dict[str, Any]]:
    settings = {"privileged": False, "readonly_rootfs": False} | options
    etc = {"/etc/hosts": "/pod/hosts"}
    return mounts.build(asked, etc, "/pod/shm", **settings)


def at(path: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [mount for mount in found if mount["destination"] == path]


def resolve(
    shared: bool = True,
    slave: bool = False,
    rro: bool = True,
    path: str = "/data",
    host_path: str = "/link",
    **fields: Any,
) -> ResolvedMount:
    message = api_pb2.Mount(container_path=path, host_path=host_path, **fields)
    mounts.check("config.mounts[3]", message)
    return mounts.resolve(3, message, "/srv/data", shared=shared, slave=slave, rro=rro)


def test_a_requested_mount_replaces_the_default_of_its_path() -> None:
    found = build(ResolvedMount("/srv/hosts", "/etc/hosts"), ResolvedMount("/srv/shm", "/dev/shm"))

    assert [m["source"] for m in at("/etc/hosts", found)] == ["/srv/hosts"]
    assert [m["source"] for m in at("/dev/shm", found)] == ["/srv/shm"]


def test_a_requested_dev_replaces_all_defaults_below_it() -> None:
    found = build(ResolvedMount("/dev", "/dev"), ResolvedMount("/srv/log", "/dev/log"))

    under_dev = [m["destination"] for m in found if m["destination"].startswith("/dev")]
    assert under_dev == ["/dev", "/dev/log"]


def test_parents_come_before_their_children() -> None:
    found = build(ResolvedMount("/a", "/data/deep/er"), ResolvedMount("/b", "/data"))

    paths = [m["destination"] for m in found]
    assert paths.index("/data") < paths.index("/data/deep/er")
    assert paths.index("/dev") < paths.index("/dev/shm")
    assert paths.index("/sys") < paths.index("/sys/fs/cgroup")


def test_of_two_mounts_at_one_path_the_later_one_is_on_top() -> None:
    found = build(ResolvedMount("/a", "/data"), ResolvedMount("/b", "/data"))

    assert [m["source"] for m in at("/data", found)] == ["/a", "/b"]


def test_sys_and_cgroup_are_read_only_unless_privileged() -> None:
    plain, privileged = build(), build(privileged=True)

    for path in ("/sys", "/sys/fs/cgroup"):
        assert at(path, plain)[0]["options"][-1] == "ro"
        assert at(path, privileged)[0]["options"][-1] == "rw"


def test_the_pods_files_are_read_only_with_the_root_file_system_but_shm_is_not() -> None:
    found = build(readonly_rootfs=True)

    data = ["nosuid", "nodev", "noexec"]
    assert at("/etc/hosts", found)[0]["options"] == ["rbind", "rprivate", "ro", *data]
    assert at("/dev/shm", found)[0]["options"] == ["rbind", "rprivate", "rw", *data]


def test_readonly_is_not_recursive_unless_asked() -> None:
    found = build(
        ResolvedMount("/a", "/a", readonly=True),
        ResolvedMount("/b", "/b", readonly=True, recursive_readonly=True),
        ResolvedMount("/c", "/c", options=("noexec",)),
    )

    assert at("/a", found)[0]["options"] == ["rbind", "rprivate", "ro"]
    assert at("/b", found)[0]["options"] == ["rbind", "rprivate", "rro"]
    assert at("/c", found)[0]["options"] == ["rbind", "rprivate", "rw", "noexec"]


def test_building_twice_gives_independent_documents() -> None:
    at("/proc", build())[0]["destination"] = "/elsewhere"

    assert len(at("/proc", build())) == 1


@pytest.mark.parametrize(
    ("propagations", "expected"),
    [
        ((), ""),
        (("rprivate",), ""),
        (("rslave", "rprivate"), "rslave"),
        (("rslave", "rshared"), "rshared"),
    ],
)
def test_the_root_propagates_as_its_strongest_mount_needs(
    propagations: tuple[str, ...], expected: str
) -> None:
    asked = [ResolvedMount("/a", "/a", propagation=p) for p in propagations]

    assert mounts.rootfs_propagation(asked) == expected


@pytest.mark.parametrize(
    ("propagation", "shared", "slave", "expected"),
    [
        (api_pb2.PROPAGATION_PRIVATE, False, False, "rprivate"),
        (HOST_TO_CONTAINER, True, False, "rslave"),
        (HOST_TO_CONTAINER, False, True, "rslave"),
        (BIDIRECTIONAL, True, False, "rshared"),
    ],
)
def test_propagation_is_granted_where_the_source_can_propagate(
    propagation: int, shared: bool, slave: bool, expected: str
) -> None:
    found = resolve(shared=shared, slave=slave, propagation=propagation)

    assert found == ResolvedMount("/srv/data", "/data", propagation=expected)


@pytest.mark.parametrize(
    ("propagation", "slave"), [(HOST_TO_CONTAINER, False), (BIDIRECTIONAL, True)]
)
def test_propagation_is_refused_where_the_source_cannot(propagation: int, slave: bool) -> None:
    with pytest.raises(InvalidArgument, match="/srv/data is n") as caught:
        resolve(shared=False, slave=slave, propagation=propagation)

    assert caught.value.field == "config.mounts[3].propagation"


@pytest.mark.parametrize(
    "fields",
    [
        {"readonly": False},
        {"readonly": True, "propagation": HOST_TO_CONTAINER},
        {"readonly": True, "propagation": BIDIRECTIONAL},
    ],
)
def test_recursive_read_only_needs_readonly_and_private(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(recursive_read_only=True, **fields)

    assert caught.value.field == "config.mounts[3].recursive_read_only"
    assert str(caught.value).startswith("RROUnsupported: ")


def test_recursive_read_only_needs_an_oci_runtime_that_can() -> None:
    with pytest.raises(RROUnsupported, match="the OCI runtime of this handler"):
        resolve(recursive_read_only=True, readonly=True, rro=False)
    assert resolve(recursive_read_only=True, readonly=True).recursive_readonly


@pytest.mark.parametrize("option", ["ro", "rbind", "rshared", "size=1m", "noexec,suid", "idmap"])
def test_an_option_that_is_no_property_of_a_mount_or_has_a_field_is_refused(option: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(mount_options=["noexec", option])

    assert caught.value.field == "config.mounts[3].mount_options[1]"


def test_options_are_taken_over_in_their_order() -> None:
    assert resolve(mount_options=["noexec", "nodev"]).options == ("noexec", "nodev")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("readonly", {}),
        ("host_path", {"readonly": True, "host_path": "/a"}),
        ("propagation", {"readonly": True, "propagation": BIDIRECTIONAL}),
    ],
)
def test_an_image_volume_is_only_read_and_nothing_else(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ImageVolumeMountFailed) as caught:
        resolve(**{"host_path": "", "image": api_pb2.ImageSpec(image="a"), **fields})

    assert caught.value.field == f"config.mounts[3].{field}"
    assert str(caught.value).startswith(f"ImageVolumeMountFailed: config.mounts[3].{field}: ")


def test_an_image_volume_is_always_private() -> None:
    image = api_pb2.ImageSpec(image="a")
    found = resolve(host_path="", image=image, readonly=True, propagation=HOST_TO_CONTAINER)

    assert found == ResolvedMount("/srv/data", "/data", readonly=True)


def test_a_path_is_covered_by_a_mount_at_it_or_above_it() -> None:
    asked = ["/data"]

    assert mounts.is_covered("/data", asked)
    assert mounts.is_covered("/data/deep", asked)
    assert not mounts.is_covered("/database", asked)
    assert not mounts.is_covered("/", asked)


def test_a_path_is_related_to_itself_its_parents_and_its_children() -> None:
    assert mounts.is_related("/proc/sys", ["/sys", "/proc"])
    assert mounts.is_related("/proc", ["/proc"])
    assert mounts.is_related("/etc", ["/etc/hosts"])
    assert not mounts.is_related("/process", ["/proc"])
    assert not mounts.is_related("/etc/host", ["/etc/hosts"])


@pytest.mark.parametrize("path", ["//data/./x/../y/", "/data/y", "/../data/y"])
def test_a_container_path_is_cleaned(path: str) -> None:
    assert resolve(path=path).destination == "/data/y"
