"""Converts the configurations of other runtimes into the form of cri-shim's.

- `conversion`: the part that they share
- `containerd`, `crio`, `libpod`: one module for each runtime
"""
