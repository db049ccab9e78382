"""Copies images in and out of archives, directories and other transports of skopeo.

skopeo also fetches signatures, and images of registries that need signatures.

- `skopeo`: runs the program and sorts its errors
- `stall`: gives up copies without progress
- `auth`: writes a caller's credentials to a short-lived file for skopeo
- `index`: the child process that reads one file of an archive
- `extract`: the child process that unpacks an OCI layout from a tar archive
"""
