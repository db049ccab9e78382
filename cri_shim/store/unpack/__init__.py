"""The child process that unpacks one layer: reads a blob, writes a directory, returns the diff-id.

It runs `python -I -S` with few imports (20 ms), calls chroot on the target directory, gives up the
capabilities that extraction does not need, and then reads the archive. One thread decompresses and
hashes (isal, zstandard and hashlib release the GIL), the main thread makes files.

Two walls keep an archive inside. First, `tree` resolves names and symbolic links itself, and an
escape is an error that fails the layer. Second, the chroot of `confine` stops any escape that the
first wall has overlooked.

- `child`: the program
- `into`: the program that copies files into a container's root file system; `copied`
  makes the entries
- `archive_child`: the program for an archive of an artifact, which is no layer
- `digest`: the program that only computes the diff-id of a blob
- `confine`: chroot, capabilities and memory limit
- `growing`: the blob as a file while it is still being downloaded
- `stream`: decompresses and hashes in a thread
- `header`, `archive`: members of a tar, parsed strictly
- `recipe`: the parts of the archive that are not file contents, to make it again
- `files`: the calls that make entries, on the disk or in another tree
- `tree`: makes entries below the root
- `extract`: turns members and whiteouts into entries
- `failure`: the error of a layer that cannot be unpacked, and the exit status of a full disk

The daemon must import none of them except `failure`, and none imports asyncio.
"""
