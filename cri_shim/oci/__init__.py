"""Driver: the OCI runtime (crun, runc) and conmon, its monitor.

- `handlers`  which OCI runtimes there are and whether they work here: each has made a container
- `bundle`    the OCI document of a container on disk
- `conmon`    create: conmon stays beside the container, writes its log and its exit code
- `sync_pipe`      what a conmon says of its create; `find_conmon` finds and ends conmons by id
- `ctl`       what a running conmon is told: reopen the log, resize the terminal
- `log_file`  the log that it writes, read from where one wants it, and followed; `log_directory`
              where it writes that, which others may write to as well
- `runtime`   start, update, pause, resume, state, delete
- `exec`      a command in a container, to its end: a direct child with two capped pipes
- `command`   a command that somebody talks to: `stdio` its pipes, `console` its terminal
- `oom_score` what both start the OCI runtime with, for crun leaves it to its caller
- `leftovers` ending the commands of a daemon that died
- `attach`    a client of conmon's attach socket: the container's own streams
- `unblock_runc`     ending a runc that only waits for background children
- `process_tree`      ending a command with all it started
- `exits`     conmon's end is the container's end; if conmon died, its init's end is
- `messages`  what OCI runtimes say of a failure, and what it means

The OCI runtime is run only where nothing else will do: signals go by pidfd, waiting too.
"""
