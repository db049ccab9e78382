"""The version of cri-shim. Nothing is imported here: every storey may ask for it."""

__version__ = "0.1.0"
