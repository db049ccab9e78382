"""The API for programs that embed the runtime: pods, containers and images as objects.

`Runtime.pod()`, `.container()`, `.image()` and their plurals return them. An object is a handle: an
id and the engine. It keeps no state, so it always shows the current state, the same that a daemon
on the same directories would serve. Its verbs are those of pods/, containers/ and images/.

- `pod`, `container`, `image`, `layer`: the objects
- `handle`: the part that they share: identity, and times as Python has them
- `session`: input and output of a command, or of a container's own program
- `arguments`: checks the arguments of calls
- `configs`: makes configurations of the CRI from a few arguments
- `places`: archives and directories of images, as callers name them
- `auth`: credentials for a registry
- `pulling`: pulls an image, and tells how far it is
- `names`: generates names
- `inspect`: the full description of a container or pod, JSON-able
"""
