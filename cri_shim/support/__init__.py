"""The support bundle: what somebody else needs to see to explain a problem of this node.

It has no secret: `redact` takes out environments, command lines, annotations and what looks like
a credential. Each part is collected alone, and one that cannot be had says why.

- `redact`: takes secrets out of texts and JSON
- `daemon`: what a running daemon tells
- `node`: records, mounts, control groups, network and log, with or without a daemon
- `archive`: writes the parts as one tar.gz
"""
