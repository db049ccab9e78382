"""Images and layers on this node: a worker fetches them, the store unpacks, keeps and mounts.

A pull has a private OCI layout under `images/layouts`. So two pulls never share a directory, and a
pull that dies leaves one directory to delete. A worker process downloads the blobs of layers that
are not here into it (skopeo does it for archives and signed images). Each new layer is unpacked,
while its blob comes, once per diff-id into a temporary name under `layers` and renamed. Manifest
and config move to `images/blobs`; then the image record makes the image visible.

- `image_store`: combines all these; recovery and garbage collection
- `settings`: what a reload of the configuration replaces
- `fetching`: brings the missing layers of an image from a registry
- `trust`: which images are accepted, and by whose signatures
- `archives`: copies of images by skopeo, in and out of archives
- `derived`: makes layers of other layers
- `artifact_tree`: makes the layer with the files of an artifact
- `additions`: adds a complete layer
- `layer_store`: chooses what new layers become, by trying
- `layout`: the private directory of one pull or save
- `layers`: the files and directories of unpacked layers
- `catalog`: the existing images and layers, and the layer of each blob
- `blobs`: the files of manifests, configs and, if configured, layers
- `pins`: which images are pinned
- `registries`: registries.conf: the registries of short names
- `usage`: the disk usage of images and containers
- `artifact`: the manifests of artifacts and the names of their files, pure
- `manifest`: manifests and configs, pure
- `deletion`: deletes files and trees that are not used any more
- `mounting`: root file systems, images and layers as mounts
- `ready_child`: a child process that waits for its arguments; `ready_main` is its program
- `python_child`: runs a module in a child process
- `pack`: the child process that makes the tar of a layer
- `unpack`: the child process that unpacks a layer blob into a directory that it cannot leave
- `erofs`: writes a layer as a file that the kernel mounts
- `trees`: layers as one tree, without a mount

The list is the order of imports, from top to bottom (`hack/check` verifies it).
"""
