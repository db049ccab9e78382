"""The child process that unpacks one layer: a blob in, a directory and its diff-id out.

It runs `python -I -S` with few imports (20 ms), shuts itself into the target directory with chroot,
gives up the capabilities that extraction does not need, and then reads the archive. One thread
decompresses and hashes (isal, zstandard and hashlib release the GIL), the main thread makes files.

Two walls keep an archive inside: names and symbolic links are resolved by us and an escape is an
error that fails the layer (`tree`), and what we might have overlooked meets the chroot (`confine`).

- `child`: the program; `confine`: chroot and capabilities
- `stream`: decompression and hash in a thread; `header`, `archive`: members of a tar, strictly
- `recipe`: what the archive was beside the contents of its files, to make it again
- `tree`: making entries beneath the root; `extract`: members and whiteouts -> entries

Nothing here may be imported by the daemon, and nothing here imports asyncio.
"""
