"""Removes everything that a runtime of these directories made on the node.

    found = plan.look(config, images=False)      # nothing is changed
    left = await perform.perform(config, path, options, images=False)

Pods and containers are removed through a runtime, so that their networks get DEL. The rest, and
everything if no runtime can be opened, is found by its names and removed by `sweep`. Only what
these names show to be of cri-shim is removed, never a directory as a whole.

What is ours on a node is known to `comparison`: its modules `ours`, `leases` and `groups`.

- `plan`: what would be removed
- `perform`: removes it
- `sweep`: processes, mounts, pins, control groups and files, without a runtime
- `network`: the bridge and its rules
"""
