"""The files of a stack of layers as one tree, read without a mount.

- `merged`: the tree, by the rules of overlayfs
- `overlay`: the marks of overlayfs in the directories that it writes to
- `changes`: the differences between two trees
- `redirected`: another form of a layer with files below a symbolic link of a layer below
- `implied`: the extra layer with directories that the layers do not describe
"""
