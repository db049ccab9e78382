"""Manage images: pull, list, inspect, load, save, tag, mount, compare and remove them.

Each action is a module:

- `pull`, `pulls`: fetch an image, and show the running pulls
- `list`: the images that are here
- `load`, `save`: archives and directories
- `inspect`, `history`: everything known of an image, and the steps that made it
- `tag`, `untag`, `rm`, `prune`
- `mount`, `unmount`: its files on the node; `diff`: its changes
"""

NAMES = [
    "pull", "pulls", "list", "inspect", "history", "load", "save", "tag", "untag", "rm", "prune",
    "mount", "unmount", "diff",
]  # fmt: skip
ALIASES = {"ls": "list", "remove": "rm"}
EXAMPLES = """
cri-shim image pull docker.io/library/busybox
cri-shim image list
"""
