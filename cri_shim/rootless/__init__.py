"""Running for an ordinary user: a user namespace with a mount namespace, made or found again.

    from cri_shim import Runtime, rootless

    rootless.enter()          # the first thing in main(); nothing for root
    asyncio.run(main())

The namespace is made by newuidmap and newgidmap from /etc/subuid and /etc/subgid, as libpod's was,
and this very process moves into it: a process can do so while it has one thread. A small process,
`sleep`, holds both namespaces, so that mounts and containers are found again when this process is
gone; it is recorded in the run root by pid and start time, and ended when nothing is left in there.
Was it killed, the conmon of a container shows the way as well.

- `mapping`  which ids the user may use
- `holder`   the process that holds the namespaces, and its record
- `join`     moving into the namespaces of a process
- `entering` the whole: making or joining, and letting go

What cannot be done in there is decided by those who would do it: `config.user.ordinary_user` tells
them.
"""

from cri_shim.rootless.entering import enter, enter_for, let_go, required

__all__ = ["enter", "enter_for", "let_go", "required"]
