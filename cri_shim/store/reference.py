"""The image names of the registry package, under the name that this package used before."""

from cri_shim.registry.reference import Reference, candidates, id_prefix, parse

__all__ = ["Reference", "candidates", "id_prefix", "parse"]
