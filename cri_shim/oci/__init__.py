"""Driver: the OCI runtime (crun, runc) and conmon, its monitor.

- `driver`: the parts of this package as one value; chooses the handler of a pod by its name
- `handlers`: finds the OCI runtimes of the node and tests each one
- `smoke_test`: the test: it creates a container and deletes it
- `program_versions`: the versions and packages of the programs that the node runs
- `advisories`: the known security holes of OCI runtimes, by version
- `bundle`: the OCI document of a container on disk
- `conmon`: create; conmon stays beside the container and writes its log and its exit code
- `sync_pipe`: reads from conmon the result of a create
- `find_conmon`: finds and ends conmons by the container's id
- `ctl`: the requests to a running conmon: reopen the log, resize the terminal
- `log_file`: reads a log that conmon writes, from any position, and follows it
- `log_directory`: the directory in which conmon writes a log, and which others may write to
- `hook_steps`: makes a step of each hook that the OCI runtime runs
- `runtime`: start, update, pause, resume, state, delete
- `exec`: runs a command in a container to its end: a direct child with two capped pipes
- `command`: an interactive command in a container
- `stdio`, `console`: the pipes and the terminal of an interactive command
- `oom_score`: sets the OOM score of a command, because crun leaves it to its caller
- `leftovers`: ends the commands of a daemon that died
- `attach`: a client of conmon's attach socket, for the container's own streams
- `unblock_runc`: ends a runc that waits only for background children
- `process_tree`: ends a command with all processes that it started
- `exits`: reports the end of a container when its conmon ends; without a conmon, when its init ends
- `messages`: parses the error messages of OCI runtimes

The daemon runs the OCI runtime only where nothing else works. It sends signals and waits for
processes with pidfds.
"""
