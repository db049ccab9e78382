"""Compares the records with the node: what no record explains, and what a record names in vain.

    comparisons = Comparisons(engine, config)
    comparison = await comparisons.compare()              # nothing is changed
    comparison = await comparisons.compare(repair=True)     # what is safe is repaired

Each difference has a class, the object, a path, and what a repair does. Objects that an operation
has in hand are left out, and so is what changes while the node is looked at: a difference is what
two looks find in objects at rest. What another instance or another program may own is left alone: a
thing is ours by its place in our directories, or by its id in `ours.evidence`.

- `ours`: the names of what a runtime makes, and the ids that are shown to be its own
- `place`: where the things of one instance are; the mount table
- `records`: what the records claim at one moment
- `names`: the name of an object that has no record
- `difference`: the value

One module for each class of things; each yields differences and changes nothing:

- `directories`, `mounts`, `pins` (namespaces), `groups` (control groups), `processes`, `runtimes`
  (the lists of the OCI runtimes), `leases` (addresses), `results` (the CNI cache), `ports` (host
  ports), `images` (layers, blobs, temporary files)

And those that combine them:

- `look`: all classes
- `changes`: drops differences of objects that changed meanwhile
- `snapshot`: the records of a running daemon, and what it has in hand
- `watch`: the comparison of a running daemon
- `offline`: the comparison with the records of a daemon that does not run
- `repair`: repairs leftovers; `lost`: gives up what is gone
- `leaks`: unfinished work and leftovers, for `cri-shim leaks`
"""
