"""Applies the collected adjustments of all plugins to the document of a new container."""

from cri_shim.nri.document import linux, mounts, process, resources
from cri_shim.nri.document.facts import Facts
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.document import Document


def adjusted(document: Document, adjust: pb.ContainerAdjustment, facts: Facts) -> Document:
    """Return the document with the adjustments, without those of CDI devices.

    ToolFailed names the plugin whose adjustment this node cannot serve.
    """
    of_linux = resources.adjusted(document["linux"], adjust.linux, facts)
    of_linux = linux.adjusted(of_linux, adjust.linux, facts)
    mounted = mounts.adjusted(document["mounts"], list(adjust.mounts), facts)
    if adjust.mounts:
        propagation = mounts.propagation(mounted, of_linux.get("rootfsPropagation", ""))
        if propagation:
            of_linux["rootfsPropagation"] = propagation
    hooks = mounts.hooks(document.get("hooks", {}), adjust.hooks, facts)
    return {
        **document,
        "process": process.adjusted(document["process"], adjust, facts),
        "mounts": mounted,
        "annotations": _annotations(document.get("annotations", {}), adjust),
        "linux": of_linux,
        **({"hooks": hooks} if hooks else {}),
    }


def _annotations(before: dict[str, str], adjust: pb.ContainerAdjustment) -> dict[str, str]:
    removed = {key[1:] for key in adjust.annotations if key.startswith("-")}
    kept = {key: value for key, value in before.items() if key not in removed}
    added = {k: v for k, v in adjust.annotations.items() if not k.startswith("-")}
    return kept | added
