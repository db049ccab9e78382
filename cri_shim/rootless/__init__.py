"""Runs as an unprivileged user: in a user and a mount namespace, which are made or found again.

    from cri_shim import Runtime, rootless

    rootless.enter()          # first in main(); does nothing for root
    asyncio.run(main())

newuidmap and newgidmap map the ids of the user namespace from /etc/subuid and /etc/subgid, like
libpod. This process itself moves into the namespace, which is possible while it has one thread. A
small process, `sleep`, holds both namespaces, so that a later process finds the mounts and
containers again. Its pid and start time are recorded in the run root. It is ended when nothing is
left in the namespaces. If it was killed, the conmon of a container is used in its place.

- `mapping`: the ids that the user may use
- `holder`: the process that holds the namespaces, and its record
- `join`: moves this process into the namespaces of another process
- `entering`: makes or joins the namespaces, and releases them

Each feature decides itself if it works inside a user namespace, with
`config.user.unprivileged_user`.
"""

from cri_shim.rootless.entering import end_if_unused, enter, enter_for, required

__all__ = ["end_if_unused", "enter", "enter_for", "required"]
