"""Driver of CNI networks: what ocicni does, in one room.

A pod's network is an *intent* first: `Network.plan` says which networks, under which interface
names and with which plugin configuration, as data that the caller stores. `verbs` runs ADD for
it; `detach` runs DEL from that record alone, so it works when the network namespace, the cached
result or the whole configuration directory is gone. Everything a plugin is told, capability
arguments included, is inside the recorded configuration: DEL repeats what ADD said, whatever
happened to the settings in between.

- `versions`      CNI versions, and which one a network list is run in
- `conflist`      files of the configuration directory -> network lists
- `capabilities`  what a pod asks for -> CNI_ARGS and runtimeConfig
- `bundled`       the network we bring along (default.conflist) for nodes without a provider
- `masquerade`    the one static NAT rule that network needs
- `exec`          one call of one plugin
- `result`        plugin results of every version; the pod's addresses
- `cache`         results on disk, in libcni's format
- `verbs`        ADD, CHECK, DEL, STATUS and GC over the plugins of a list
- `catalog`       which networks are usable now, and why the others are not
- `readiness`     whether pods can have a network now, kept in memory
- `watch`         changes of directories: inotify is a hint, a slow poll is the truth
- `readers_writer`          ADDs together, GC alone
- `records`       a pod's record <-> what the verbs work on
- `leftovers`     ADDs that a killed daemon left at work
- `reservations`  addresses that a power cut left reserved for no pod
- `network`       the class `Network` that ties these together

An ordinary user cannot have any of that. Its pods have the node's network, or one made of sockets:

- `driver`         what the rest of the runtime needs of either
- `user_programs`  pasta and slirp4netns: what they are told
- `user_process`   the process beside a pod: started, found again, ended
- `user_records`   the file that tells the next daemon of it
- `user_mode`      the class `UserModeNetwork` that ties these together
"""

from cri_shim.network.network import Attached, Network
from cri_shim.network.readiness import NetworkStatus

__all__ = ["Attached", "Network", "NetworkStatus"]
