"""The one list of problems of a node: log, `info`, CRI Status and `check` are made from it.

A `Finding` is one thing that was looked at: it is all right, or it has a level, a sentence and a
remedy. Findings that are not all right are the problems. A running daemon keeps the list
(`watch`); `cri-shim check` without a daemon asks `node` and `offline`.

- `finding`: the value
- `packages`: the packages of the distribution that have a program
- `programs`, `kernel`, `places`: what the node has, found without changing anything
- `node`: all of these together
- `offline`: OCI runtimes, pod network and sockets, when no daemon can be asked
- `daemon`: OCI runtimes, pod network and state of a running daemon
- `advice`: unsafe permissions, addresses and versions
- `watch`: the list of a running daemon, and its log
"""

from cri_shim.problems.finding import Finding, Level, problems

__all__ = ["Finding", "Level", "problems"]
