"""Operations on images, one verb a file; the first argument of each is the engine.

- `pull`: pulls an image from a registry: name to digest, fetch and unpack, catalogue
- `arrival`: the second half of a pull, load or commit: the image becomes visible
- `running`: the pulls that run now, and how far they are
- `load`: loads images from an archive or directory of this node; `archives` lists the images in it
- `preload`: loads the images of a directory at the start of the daemon
- `save`: saves an image to an archive or directory of this node
- `query`: answers list, status and file system usage from memory
- `remove`: removes an image with all its names; its layers stay while they are needed
- `prune`: removes every unused image
- `tag`: adds names to an image, and removes them
- `mount`: mounts an image read-only, and unmounts it
- `history`: the steps that made an image
- `inspect`: all facts about an image
- `diff`: the changes that an image makes to the image below it
- `commit`: makes an image with one more layer, for containers/commit.py

A pull belongs to its callers. Equal requests (name and credential) share one pull. When its last
caller has gone, the pull is cancelled and cleaned up; nothing of it is visible or left.
"""
