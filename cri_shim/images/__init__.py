"""What can be done with images, one verb a file; each has the engine as its first argument.

- `pull`     from a registry: name to digest, fetch, unpack, catalogue
- `load`     the same from an archive or directory of this node; `archives`: what images such a
             file has; `save`: to one
- `query`    answers from memory: list, status, file system usage
- `remove`   all its names, and what nobody needs of it; `prune`: every image that nobody uses
- `tag`      names given to an image, and taken from it
- `mount`    an image mounted for reading, and unmounted
- `history`, `inspect`, `diff`  what made it, all there is to tell, and what it changes
- `commit`   an image with one layer more, for containers/commit.py

A pull belongs to whoever waits for it. Equal requests (name and credential) share one, and when the
last caller has gone it is cancelled and cleaned up: nothing of it is visible, nothing stays.
"""
