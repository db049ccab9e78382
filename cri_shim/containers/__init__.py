"""What can be done with a container, one verb a file.

    create -> CREATED -> start -> RUNNING -> (its init ends: exits) -> EXITED -> remove
                                     |  stop, kill, pause, update, exec, reopen_log

All phases, and what may follow what: lifecycle.py.

- `create`   record, root file system and OCI document; no process yet
- `start`    conmon and the OCI runtime: `create`, then `start`; `launch`: when one of them hangs
- `exits`    the end of an init, as conmon tells it, becomes the record's end
- `stop`     signal, grace period, SIGKILL; a second stop can only shorten the first
- `remove`   every trace of a container, step by step, each step able to be repeated
- `pause`    every process of it frozen where it is, and thawed
- `kill`     a signal to its init
- `wait`     for its end, or another state
- `dependencies`  which containers need others to run
- `exec`     a command in a running container, to its end (ExecSync)
- `interactive`     Exec and Attach: somebody talks to a command, or to the container's own program
- `streams`  whose the pipes are that these, and the container's own program, have
- `top`      its processes, as `ps` in it would show them
- `export`   its whole root file system as a tar
- `logs`     what it has written and writes, by entries
- `update`   resources of a container; its log file opened anew
- `takeover` at start: what conmon knows of a container whose start is not on record
- `query`    answers from records: list and status
- `diff`     what it changed in its root file system; `commit`: that becomes a new image,
             while it is held `freeze`
- `stats`    what it uses now; `usage` makes the messages, `rates` the CPU rate of two looks
- `mounts`   what the caller's mounts are on this host; `declared`: the VOLUMEs of an image
- `sources`  what is bound into it, by descriptors, while the OCI runtime makes it

Every phase change is written before the world is touched, so that a daemon that dies between two
lines finds in the records what it may have left: recovery.py ends it.
"""
