"""asyncio primitives that know nothing of containers.

- `offload`: a blocking call in a thread, completed before a cancellation continues; joins work that
  other tasks share
- `own_thread`: work of minutes in a thread of its own
- `outside`: reads a path that a caller names, in a thread of its own and with a time limit
- `own_process`: a call that may hang in the kernel, in a process that can be abandoned;
  `process_server` is the program that forks these processes
- `child`: child processes by pidfd on the loop, started or adopted
- `pipes`, `memfile`: the output of programs; their input and their error messages
- `descriptors`: the number of descriptors that the daemon and its children may have
- `cleanup`: undoing, releasing and closing: runs every step, even if others fail
- `singleflight`: equal work runs once; a caller that is cancelled does not end it
- `resumable`: the same, and a result waits for the caller's next attempt
- `standby`: a process that is started before it is needed
- `tasks`: background tasks, whose errors are logged
- `retry`: work in the background that is repeated until it succeeds
- `broadcast`: one publisher, many subscribers with bounded queues; slow ones are dropped
- `fair`: long work on the loop, in slices
- `rounds`: the same for the work of many sources, in turn
- `changes`: waits for a change of a named object
- `live`: a value that is replaced while calls run; each call sees one version
- `keyed_lock`: one lock for each key, which exists only while it is used
- `readers_writer`: a lock that many readers share or one writer has
- `reaper`: reaps the zombies that a subreaper inherits
"""
