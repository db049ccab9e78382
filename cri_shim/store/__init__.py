"""Images and layers on this node: a worker fetches them, the store unpacks, keeps and mounts.

A pull has a private OCI layout under `images/layouts`. So two pulls never share a directory, and a
pull that dies leaves one directory to delete. A worker process downloads the blobs of layers that
are not here into it (skopeo does it for archives and signed images). Each new layer is unpacked,
while its blob comes, once per diff-id into a temporary name under `layers` and renamed. Manifest
and config move to `images/blobs`; then the image record makes the image visible.

- `registries`: registries.conf: the registries of short names
- `auth`: writes a caller's credentials to a short-lived file
- `skopeo`: runs the program and sorts its errors
- `policy`: policy.json: which images are accepted, pure
- `policies`: the policies of the node and of its pod namespaces
- `sigstore`: what a signature of cosign says, pure; `verify`: fetches and verifies them
- `stall`: gives up transfers of skopeo without progress
- `worker`: the process that fetches an image from its registry; `fetcher` starts it
- `fetch`: the dialogue with it
- `progress`: the running pulls, and how far they are
- `new_layers`: brings the missing layers of an image, each once
- `additions`: adds a complete layer
- `derived`: makes layers of other layers
- `following`: unpacks a layer while its blob is downloaded
- `grace`: keeps the layers of failed pulls for the next try
- `manifest`: manifests and configs, pure
- `layout`: the private directory of one pull or save
- `python_child`: runs a program of ours in a child process
- `unpack`: the child process that unpacks a layer blob into a directory that it cannot leave
- `pack`: the child process that makes the tar of a layer
- `erofs`: writes a layer as a file that the kernel mounts
- `layers`: the files and directories of unpacked layers
- `layer_mounts`: the mounts of those that are files
- `layer_store`: chooses what new layers become, by trying
- `redirected`: another form of a layer with files below a symbolic link of a layer below
- `implied`: the extra layer with directories that the layers do not describe
- `blobs`: the files of manifests, configs and, if configured, layers
- `pins`: which images are pinned
- `catalog`: the existing images and layers, and the layer of each blob
- `deletion`: deletes files and trees that are not used any more
- `archive_index`: the program that reads one file of an image archive
- `archive_layout`: the program that unpacks an OCI layout from a tar archive
- `rootfs`: the overlay that is a container's root file system
- `fuse`: the same by fuse-overlayfs, if the kernel does not let the user mount overlays
- `usage`: the disk usage of images and containers
- `writable`: the disk usage of writable layers, measured in the background
- `mounted`: images that are mounted on the node itself
- `overlay`: the marks of overlayfs in the directories that it writes to
- `merged`: reads layers as one tree without mounting them
- `changes`: the differences between two such trees
- `image_store`: combines all these; recovery and garbage collection
"""
