"""The Node Resource Interface: plugins of the node see, and change, pods and containers.

A plugin is a program of the node's administrator. It connects on a socket, or the daemon starts it.
It registers, gets the existing pods and containers, and then the events that it subscribes to. At
CreateContainer it may change the container; with other answers it may change the limits of existing
containers, or stop them. The protocol is that of github.com/containerd/nri.

This package is imported only if `nri.enabled` is set. The use cases know `node_plugins` instead.

- `service`: opens and closes all of it
- `lifecycle`: reports the life of pods and containers: the implementation of `node_plugins`
- `events`: events as messages, told to the plugins
- `plugins`: the connected plugins; events go to one after another
- `plugin`: one plugin: how it is called, and what happens if it does not answer
- `joining`: a plugin registers, is configured and synchronized
- `listener`: the socket on which plugins connect
- `preinstalled`: the plugins that the daemon starts
- `link`: the socket of one plugin: calls in both directions
- `names`: names of plugins, and their subscriptions
- `messages`: pods and containers as messages, from their records
- `creation`: collects the adjustments of a new container
- `updates`: collects the updates and evictions of existing ones
- `limits`: collects limits of resources
- `owners`: which plugin set which field
- `validation`: asks validators about the adjustments
- `rules`: the default validator
- `adjusting`: finds the facts that adjustments depend on, and applies them
- `document`: applies adjustments to an OCI document
- `changes`: carries out updates and evictions
"""
