"""The ways in which unpacking fails: the layer is bad, or the disk is full."""

NO_SPACE_EXIT = 3  # the child's exit status when the disk, a quota or the inodes are used up


class BadLayer(Exception):
    """The layer cannot be unpacked: it is damaged, or it tries to leave its directory."""
