"""Manage images: pull, list, load, save, tag, remove and prune them.

Each action is a module:

- `pull`, `pulls`: fetch an image, and show the running pulls
- `list`: the images that are here
- `load`, `save`: archives and directories
- `tag`, `rm`, `prune`
"""

NAMES = ["pull", "pulls", "list", "load", "save", "tag", "rm", "prune"]
ALIASES = {"ls": "list", "remove": "rm"}
EXAMPLES = """
cri-shim image pull docker.io/library/busybox
cri-shim image list
"""
