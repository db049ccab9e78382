"""The fault points, read from the source: a new point is tested without a change of the tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cri_shim

PACKAGE = Path(cri_shim.__file__).parent
# Points that no scenario of a pod or an image passes; other tests reach them.
ELSEWHERE = {
    "network.masquerade.ensure": "at the start of the daemon",
    "network.gc.call": "needs plugins of CNI 1.1",
    "network.bundled.bridge": "by a forced shutdown of the runtime",
    "recovery.refresh.pod": "after a reboot: test_chaos_reboot",
    # Use cases of the library without a CRI call: integration/runtime/test_runtime_images.
    "images.tag.catalogue": "by Image.tag",
    "images.untag.catalogue": "by Image.untag",
    "images.prune.catalogue": "by Runtime.prune_images",
    "images.preload.entry": "at a start with image.preload_dir: test_instance_preload",
    "images.mount.overlay": "by Image.mount",
    "images.unmount.overlay": "by Image.unmount",
    # In UpdateContainerResources: test_chaos_intents.
    "containers.update.intend": "by an update of limits",
    "containers.update.apply": "by an update of limits",
    "containers.update.document": "by an update of limits",
    "containers.update.commit": "by an update of limits",
    # In integration/runtime/test_runtime_pause.
    "containers.pause.intend": "by Container.pause",
    "containers.pause.freeze": "by Container.pause",
    "containers.unpause.thaw": "by Container.unpause",
    "containers.unpause.commit": "by Container.unpause",
    "containers.kill.send": "by Container.kill",
    "containers.thaw.write": "by whatever ends a paused container",
    # In integration/runtime/test_runtime_commit.
    "images.pull.copy": "by a load or a commit",
    "images.save.layers": "by Image.save",
    "images.save.export": "by Image.save",
    "images.commit.pack": "by Container.commit",
    "images.commit.compose": "by Container.commit",
    "containers.commit.pause": "by Container.commit",
    "containers.commit.paused": "by Container.commit",
    "comparison.repair.act": "by check --repair: integration/comparison",
    # Those of an unprivileged user: integration/rootless/test_rootless_recovery.
    "network.user.start": "in place of a CNI plugin",
    "network.user.record": "in place of a CNI plugin",
    "network.user.end": "in place of a CNI plugin",
    "network.user.forget": "in place of a CNI plugin",
}


def calls() -> Iterator[ast.Call]:
    """Yield every call of fault_point in the product."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "fault_point":
                yield node


def names() -> list[str]:
    return [ast.literal_eval(call.args[0]) for call in calls()]


ON_THE_WAY = sorted(set(names()) - ELSEWHERE.keys())
REMOVALS = [p for p in ON_THE_WAY if p.startswith(("pods.remove.", "containers.remove."))]
