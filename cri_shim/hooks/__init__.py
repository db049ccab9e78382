"""OCI hooks of this node: definitions from hooks.d directories, and the run of precreate hooks.

- `directories`: the current definitions, and the problems of those that cannot be used
- `precreate`: passes an OCI document through hooks that may change it

spec.hooks decides which hooks a container gets. The OCI runtime runs the hooks of other stages.
"""
