"""How unpacking fails: by what is in the layer, or by want of room."""

NO_SPACE_EXIT = 3  # the child's exit status when the disk, a quota or the inodes are used up


class BadLayer(Exception):
    """The layer cannot be unpacked: damaged, or made to reach out of its directory."""
