"""OCI hooks of this node: definitions from hooks.d directories, and the precreate ones run.

- `directories`: which definitions there are now, and what is wrong with those that cannot be used
- `precreate`: gives an OCI document to hooks that may change it

What a definition means is decided in spec.hooks; all other stages are the OCI runtime's to run.
"""
