"""Operations on a container, one verb a file.

    create -> CREATED -> start -> RUNNING -> (its init ends: exits) -> EXITED -> remove
                                     |  stop, kill, pause, update, exec, reopen_log

lifecycle.py has all phases and their order.

- `create`: makes record, root file system and OCI document; no process yet. `draft` makes the
  record; `gather` looks at the image, the pod and the node; spec/plan.py decides; `create` acts
- `start`: runs conmon and the OCI runtime's `create` and `start`; `launch` handles a runtime that
  hangs
- `exits`: everything that an exit changes; oci reports it, and pods/exits.py passes it on
- `stop`: signal, grace period, SIGKILL; a second stop can only shorten the first
- `remove`: removes every trace of a container in steps that can be repeated
- `pause`: freezes and thaws all processes of a container
- `kill`: sends a signal to the init
- `wait`: waits for the end of a container, or for another state
- `dependencies`: the containers that another container needs
- `exec`: runs a command in a running container to its end (ExecSync); oci/exec.py has its time-out
- `interactive`: Exec and Attach; connects a client with a command, or with the container's program
- `streams`: the owner of the pipes of a command and of the container's program
- `top`: the processes of a container, as `ps` in it would show them
- `export`: the whole root file system as a tar; `pack_to` makes the tar for the caller's file
- `copy_from`, `copy_to`: copies files out of and into the root file system; `copy_path` has the
  part that they share
- `logs`: the entries of the container's log; `first_line`: when the first of them came
- `update`: changes resources; opens the log file again
- `takeover`: at start, completes the record of a container from conmon and the OCI runtime
- `query`: answers list and status from records
- `diff`: the changes in the root file system; `commit` makes an image of them while `freeze` holds
  the container frozen
- `stats`: the current usage; `usage` makes the messages, `rates` the CPU rate from two samples
- `rootfs`: mounts the root file system with the ids and the SELinux label of its pod
- `security`: the seccomp, AppArmor and SELinux profiles and labels of a container or pod: chosen by
  spec, from the profiles in isolation
- `mounts`: finds the sources of the caller's mounts by linux/sources.py; copies default mounts
- `volumes`: mounts image volumes
- `devices`, `cdi`: the device nodes of a container
- `plan`: the document that a container would have, with the origins of its fields
- `passwd`: lines of /etc/passwd and /etc/group for a user that the image does not know
- `attributes`: scheduler, io priority, memory policy and network devices, which the daemon sets
- `sources`: mounts the sources of bind mounts for the OCI runtime, by descriptor, during a start

Every phase change is written before the action. If the daemon dies in between, the records name
what it may have left, and recovery.py ends it.
"""
