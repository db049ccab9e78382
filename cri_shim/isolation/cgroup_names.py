"""Where a container's group is, by the kubelet's words, the OCI runtime's and the kernel's.

Pure. The kubelet names a parent (`/kubepods/burstable/podX`, or with the systemd driver
`/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice`); the OCI runtime takes a
`cgroupsPath` (`/parent/ID`, or `slice:prefix:ID` for the unit `prefix-ID.scope` in that slice);
the kernel has directories, in which a slice `a-b.slice` is below `a.slice`.
"""

from typing import Literal

from cri_shim.errors import InvalidArgument

Driver = Literal["cgroupfs", "systemd"]
PREFIX = "cri-shim"  # of scopes' names
_FIELD = "config.linux.cgroup_parent"


def default_parent(driver: Driver, name: str) -> str:
    """The parent of what the caller gave none; `name` is that of this instance of the daemon.

    With systemd it is a slice that a shutdown stops, and the scopes in it with their grace periods.
    system.slice is never stopped: what runs there is killed at the very end, after 90 seconds.
    """
    return f"/{name}" if driver == "cgroupfs" else f"{PREFIX}.slice"


def oci_path(driver: Driver, parent: str, container_id: str) -> str:
    """The OCI `cgroupsPath` of a container below the kubelet's `parent`.

    Raises InvalidArgument for a parent that does not fit the driver.
    """
    parts = [part for part in parent.split("/") if part]
    if ".." in parts or "." in parts or "\0" in parent:
        raise InvalidArgument(_FIELD, f"{parent!r} is not a plain path")
    if driver == "cgroupfs":
        return "/" + "/".join([*parts, container_id])
    last = parts[-1] if parts else ""
    if not last.endswith(".slice"):
        raise InvalidArgument(
            _FIELD,
            f"{parent!r} does not end in a slice, but the systemd driver is in use here: "
            "the kubelet's cgroupDriver must be systemd too",
        )
    if ":" in last:
        raise InvalidArgument(_FIELD, f"{last!r} is not the name of a slice")
    expand_slice(last)
    return f"{last}:{PREFIX}:{container_id}"


def expand_slice(name: str) -> str:
    """The directory of a slice: `a-b.slice` is `a.slice/a-b.slice`, `-.slice` is the root.

    Raises InvalidArgument for a name systemd would not take.
    """
    stem = name.removesuffix(".slice")
    if stem == "-":
        return ""
    parts = stem.split("-")
    if "" in parts:
        raise InvalidArgument(_FIELD, f"{name!r} is not the name of a slice")
    return "/".join(f"{'-'.join(parts[: n + 1])}.slice" for n in range(len(parts)))


def directory(path: str) -> str:
    """The directory, relative to the root of a hierarchy, of an OCI `cgroupsPath` made here.

    Raises ValueError for one that names no container: all that is in it would be killed.
    """
    if path.startswith("/") and path.strip("/") and not path.endswith("/"):
        return path.strip("/")
    slice_name, prefix, container_id = path.split(":")
    if not container_id:
        raise ValueError(f"cgroup path {path!r} names no container")
    return f"{expand_slice(slice_name)}/{prefix}-{container_id}.scope".lstrip("/")


def monitor_parent(driver: Driver, name: str) -> str:
    """The directory of the containers' monitors; `name` is that of this instance of the daemon.

    With systemd it is a slice of its own, outside of the daemon's service: ending the service must
    not end the monitors.
    """
    return f"{name}-conmon" if driver == "cgroupfs" else expand_slice(f"{name}-conmon.slice")
