"""The names of a container's group for the kubelet, the OCI runtime and the kernel.

Pure. The kubelet names a parent (`/kubepods/burstable/podX`, or with the systemd driver
`/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice`). The OCI runtime takes a
`cgroupsPath` (`/parent/ID`, or `slice:prefix:ID` for the unit `prefix-ID.scope` in that slice). The
kernel has directories, and the directory of a slice `a-b.slice` is below `a.slice`.
"""

from typing import Literal

from cri_shim.errors import InvalidArgument

Driver = Literal["cgroupfs", "systemd"]
PREFIX = "cri-shim"  # of the names of scopes
_FIELD = "config.linux.cgroup_parent"


def default_parent(driver: Driver, name: str) -> str:
    """Return the parent for requests without one; `name` is the name of this daemon instance.

    With systemd it is a slice. The machine's shutdown stops it, and its scopes with their grace
    periods. system.slice is never stopped: its processes are killed at the very end, after 90 s.
    """
    return f"/{name}" if driver == "cgroupfs" else f"{PREFIX}.slice"


def oci_path(driver: Driver, parent: str, container_id: str) -> str:
    """Return the OCI `cgroupsPath` of a container below the kubelet's `parent`.

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
    """Return the directory of a slice: `a-b.slice` is `a.slice/a-b.slice`, `-.slice` is the root.

    Raises InvalidArgument for a name that systemd would not accept.
    """
    stem = name.removesuffix(".slice")
    if stem == "-":
        return ""
    parts = stem.split("-")
    if "" in parts:
        raise InvalidArgument(_FIELD, f"{name!r} is not the name of a slice")
    return "/".join(f"{'-'.join(parts[: n + 1])}.slice" for n in range(len(parts)))


def directory(path: str) -> str:
    """Return the directory of an OCI `cgroupsPath` made here, relative to the hierarchy's root.

    Raises ValueError for a path without a container: the caller would kill all processes below it.
    """
    if path.startswith("/") and path.strip("/") and not path.endswith("/"):
        return path.strip("/")
    slice_name, prefix, container_id = path.split(":")
    if not container_id:
        raise ValueError(f"cgroup path {path!r} names no container")
    return f"{expand_slice(slice_name)}/{prefix}-{container_id}.scope".lstrip("/")


def monitor_parent(driver: Driver, name: str) -> str:
    """Return the directory of the containers' monitors; `name`: this daemon instance's name.

    With systemd it is a slice of its own, outside the daemon's service: the end of the service must
    not end the monitors.
    """
    return f"{name}-conmon" if driver == "cgroupfs" else expand_slice(f"{name}-conmon.slice")
