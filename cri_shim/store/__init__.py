"""Images and layers on this node: skopeo moves and verifies, we unpack, keep and mount.

skopeo copies an image into a private OCI layout under `images/layouts`, one a pull, so that two
pulls never meet in one directory and a pull that dies leaves one thing to delete. Layers that are
unpacked already are placeholders there (skopeo takes any file of the right name), so only new ones
are transferred. Each new layer is unpacked once per diff-id into a temporary name under `layers`
and renamed; manifest and config move to `images/blobs`; then the image record makes it visible.

- `reference`: image names, pure; `registries`: where short names are looked for
- `auth`: a caller's credentials as a short-lived file; `skopeo`: the program and its errors;
  `stall`: transfers that are stuck are given up
- `manifest`: manifests and configs, pure; `layout`: the private directory of one pull
- `unpack`: the child process that turns a layer blob into a directory it cannot leave
- `layers`: the unpacked directories; `blobs`: the files that are kept as they came
- `catalog`: which images and layers exist, and which blob is which layer
- `deletion`: what nobody looks for any more goes away; `archive_index`: what an archive lists
- `rootfs`: the overlay a container stands on; `fuse`: the same by a program, for users whose kernel
  does not let them; `usage`: what all this takes of the disk;
  `writable`: what containers wrote, measured in the background
- `mounted`: images that are mounted on the node itself
- `merged`: layers read as one tree without mounting them; `changes`: what differs between two
- `image_store`: the above put together, recovery and garbage collection
"""
