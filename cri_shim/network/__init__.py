"""Driver of CNI networks: the part that ocicni has in CRI-O.

A pod's network begins as an *intent*: `Network.plan` chooses the networks, their interface names
and their plugin configuration, as data that the caller stores. `verbs` runs ADD for it. `detach`
runs DEL from that record alone, so it works when the network namespace, the cached result or the
whole configuration directory is gone. The recorded configuration has everything that a plugin gets,
including capability arguments: DEL repeats the input of ADD, even if settings changed in between.

- `versions`: CNI versions, and the version in which a network list is run
- `conflist`: reads the files of the configuration directory as network lists
- `capabilities`: turns a pod's requests into CNI_ARGS and runtimeConfig
- `bundled`: the network in this package (default.conflist), for nodes without a provider
- `masquerade`: the one static NAT rule that this network needs
- `exec`: one call of one plugin
- `result`: plugin results of every version; the pod's addresses
- `result_check`: checks the types and sizes in a result
- `cache`: results on disk, in libcni's format
- `verbs`: ADD, DEL, STATUS and GC over the plugins of a list; the limits of ADD and DEL, with their
  reasons, are keys in config/schema.py
- `catalog`: the networks that are usable now, and the problems of the others
- `readiness`: whether pods can have a network now, kept in memory
- `watch`: changes of directories: inotify is a hint, a slow poll decides
- `records`: converts between a pod's record and the input of the verbs
- `leftovers`: ends the ADDs that a killed daemon left running
- `reservations`: frees addresses that a power cut left reserved for no pod
- `network`: the class `Network`, which joins these modules

An unprivileged user cannot use CNI. Rootless pods have the node's network, or one made of sockets:

- `driver`: the interface that the rest of the runtime uses for both kinds
- `user_programs`: the command lines of pasta and slirp4netns
- `user_process`: starts, finds and ends the process beside a pod
- `user_records`: the file about that process, for the next daemon
- `user_mode`: the class `UserModeNetwork`, which joins these modules
"""
