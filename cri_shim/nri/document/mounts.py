"""Adjustments of mounts and hooks."""

import posixpath
from typing import Any

from cri_shim.nri.document.facts import Facts
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec import sources

_RELABEL = "relabel"  # a pseudo-option: relabel the source for SELinux
_FORBIDDEN = ("/", "/proc", "/dev")  # mount points of the OCI runtime, which hides paths there
_PROPAGATED = {"rshared", "shared", "rslave", "slave"}
# The stages of hooks -> their names in the document.
STAGES = {
    "prestart": "prestart",
    "create_runtime": "createRuntime",
    "create_container": "createContainer",
    "start_container": "startContainer",
    "poststart": "poststart",
    "poststop": "poststop",
}


def adjusted(
    mounts: list[dict[str, Any]], wanted: list[pb.Mount], facts: Facts
) -> list[dict[str, Any]]:
    """Return the mounts with the adjustments, parents before their children."""
    if not wanted:
        return mounts
    removed = {_cleaned(mount.destination.removeprefix("-")) for mount in wanted}
    kept = [mount for mount in mounts if _cleaned(mount["destination"]) not in removed]
    kept += [_mount(mount, facts) for mount in wanted if not mount.destination.startswith("-")]
    return sorted(kept, key=lambda mount: _cleaned(mount["destination"]).count("/"))


def propagation(mounts: list[dict[str, Any]], before: str) -> str:
    """Return rootfsPropagation that these mounts need, "" for the default."""
    options = {option for mount in mounts for option in mount.get("options") or []}
    if before == "rshared" or options & {"rshared", "shared"}:
        return "rshared"
    return "rslave" if before == "rslave" or options & {"rslave", "slave"} else before


def destinations(adjust: pb.ContainerAdjustment) -> list[str]:
    """Return the destinations of added mounts, as the plugins gave them."""
    return [m.destination for m in adjust.mounts if not m.destination.startswith("-")]


def _cleaned(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _mount(wanted: pb.Mount, facts: Facts) -> dict[str, Any]:
    given = wanted.destination
    if not given.startswith("/") or "\0" in given:
        raise facts.refused("Mounts", given, "the destination must be an absolute path")
    known = facts.mounts[given]
    if known.destination in _FORBIDDEN or known.destination.startswith("/proc/"):
        raise facts.refused("Mounts", given, f"nothing can be mounted at {known.destination}")
    options = list(wanted.options)
    if any("\0" in text for text in (wanted.source, wanted.type, *options)):
        raise facts.refused("Mounts", given, "it has a NUL character")
    if _RELABEL in options:
        if facts.selinux:
            raise facts.refused("Mounts", given, "sources are not relabelled here")
        options = [option for option in options if option != _RELABEL]
    mount = {
        "destination": known.destination,
        "type": wanted.type or "bind",
        "source": wanted.source,
        "options": options,
    }
    if sources.is_bind(mount):
        _check_bind(mount, given, facts)
    return mount


def _check_bind(mount: dict[str, Any], given: str, facts: Facts) -> None:
    source, options = mount["source"], set(mount["options"])
    if not source.startswith("/"):
        raise facts.refused("Mounts", given, "the source of a bind mount must be an absolute path")
    known = facts.mounts[given]
    if options & {"rshared", "shared"} and not known.shared:
        problem = f"{source} is not on a shared mount; make it one: mount --make-rshared"
        raise facts.refused("Mounts", given, problem)
    if options & _PROPAGATED and not (known.shared or known.slave):
        problem = f"{source} is neither on a shared nor on a slave mount: mount --make-rshared"
        raise facts.refused("Mounts", given, problem)
    if not options & {"bind", "rbind"}:
        mount["options"].insert(0, "rbind")


def hooks(before: dict[str, Any], wanted: pb.Hooks, facts: Facts) -> dict[str, Any]:
    """Return the hooks of a document with those of plugins after them."""
    found = {stage: list(entries) for stage, entries in before.items()}
    for name, stage in STAGES.items():
        for hook in getattr(wanted, name):
            found.setdefault(stage, []).append(_hook(hook, facts))
    return found


def _hook(wanted: pb.Hook, facts: Facts) -> dict[str, Any]:
    if not wanted.path.startswith("/"):
        raise facts.refused("OciHooks", None, "the path of a hook must be absolute")
    if any("\0" in text for text in (wanted.path, *wanted.args, *wanted.env)):
        raise facts.refused("OciHooks", None, "a hook has a NUL character")
    hook: dict[str, Any] = {"path": wanted.path}
    if wanted.args:
        hook["args"] = list(wanted.args)
    if wanted.env:
        hook["env"] = list(wanted.env)
    if wanted.HasField("timeout"):
        if wanted.timeout.value <= 0:
            raise facts.refused("OciHooks", None, "the time-out of a hook must be more than 0")
        hook["timeout"] = wanted.timeout.value
    return hook
