"""A container's group in the kubelet's, the OCI runtime's and the kernel's words."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.isolation.cgroup_names import (
    Driver,
    directory,
    expand_slice,
    monitor_parent,
    oci_path,
)
from cri_shim.isolation.cgroups import Cgroups

ID = "4f" * 32
SLICES = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice"


@pytest.mark.parametrize(
    ("driver", "parent", "path", "where"),
    [
        ("cgroupfs", "/", f"/{ID}", ID),
        (
            "cgroupfs",
            "/kubepods/burstable/podab-cd",
            f"/kubepods/burstable/podab-cd/{ID}",
            f"kubepods/burstable/podab-cd/{ID}",
        ),
        ("cgroupfs", "relative/pod", f"/relative/pod/{ID}", f"relative/pod/{ID}"),
        ("cgroupfs", "//twice///pod/", f"/twice/pod/{ID}", f"twice/pod/{ID}"),
        ("cgroupfs", SLICES, f"{SLICES}/{ID}", f"{SLICES[1:]}/{ID}"),
        (
            "systemd",
            "system.slice",
            f"system.slice:cri-shim:{ID}",
            f"system.slice/cri-shim-{ID}.scope",
        ),
        (
            "systemd",
            SLICES,
            f"kubepods-burstable-podab_cd.slice:cri-shim:{ID}",
            f"{SLICES[1:]}/cri-shim-{ID}.scope",
        ),
        (
            "systemd",
            "kubepods-burstable-podab_cd.slice",
            f"kubepods-burstable-podab_cd.slice:cri-shim:{ID}",
            f"{SLICES[1:]}/cri-shim-{ID}.scope",
        ),
        ("systemd", "/-.slice", f"-.slice:cri-shim:{ID}", f"cri-shim-{ID}.scope"),
    ],
)
def test_a_parent_gives_the_runtimes_path_and_the_kernels_directory(
    driver: Driver, parent: str, path: str, where: str
) -> None:
    assert oci_path(driver, parent, ID) == path
    assert directory(path) == where


@pytest.mark.parametrize("parent", ["/kubepods/burstable/podx", "/", "/a.slice/b"])
def test_the_systemd_driver_refuses_a_parent_that_is_no_slice(parent: str) -> None:
    with pytest.raises(InvalidArgument, match="cgroupDriver must be systemd") as refusal:
        oci_path("systemd", parent, ID)
    assert refusal.value.field == "config.linux.cgroup_parent"


@pytest.mark.parametrize("parent", ["/a/../..", "..", "/kubepods/./x", "/a\0b"])
@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
def test_a_parent_outside_the_hierarchy_is_refused(driver: Driver, parent: str) -> None:
    with pytest.raises(InvalidArgument, match="not a plain path"):
        oci_path(driver, parent, ID)


@pytest.mark.parametrize("name", ["a--b.slice", "-a.slice", ".slice", "a-.slice"])
def test_a_slice_that_systemd_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="not the name of a slice"):
        expand_slice(name)


def test_a_colon_in_a_slice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not the name of a slice"):
        oci_path("systemd", "a:b.slice", ID)


@pytest.mark.parametrize("path", ["", "/", "/cri-shim/", "a.slice:cri-shim:", "plain"])
def test_a_path_without_a_container_is_never_a_directory(path: str) -> None:
    with pytest.raises(ValueError, match=r"names no container|unpack"):
        directory(path)


def test_monitors_are_outside_of_the_daemons_service() -> None:
    assert monitor_parent("cgroupfs", "cri-shim") == "cri-shim-conmon"
    assert monitor_parent("systemd", "cri-shim") == (
        "cri.slice/cri-shim.slice/cri-shim-conmon.slice"
    )


def test_without_a_parent_each_instance_has_its_own() -> None:
    assert Cgroups("cgroupfs").oci_path("", ID) == f"/cri-shim/{ID}"
    assert Cgroups("cgroupfs", name="second").oci_path("", ID) == f"/second/{ID}"
    assert Cgroups("systemd").oci_path("", ID) == f"cri-shim.slice:cri-shim:{ID}"
