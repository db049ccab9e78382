"""What the store mounts: root file systems of containers, images for reading, and layers.

- `rootfs`: the overlay that is a container's root file system
- `fuse`: the same by fuse-overlayfs, if the kernel does not let the user mount overlays
- `quotas`: limits of writable layers, as project quotas
- `writable`: the disk usage of writable layers, measured in the background
- `mounted`: images that are mounted on the node itself
- `layer_mounts`: the mounts of layers that are files
"""
