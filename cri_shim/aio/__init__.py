"""asyncio primitives that know nothing of containers.

- `offload`: a blocking call in a thread that is finished before a cancellation goes on; joining
  work that is somebody else's too
- `outside`: a look at a path that a caller names, in a thread of its own and with a limit of time
- `own_process`: a call that may hang in the kernel, in a process that can be left behind
- `child`: child processes by pidfd on the loop, started or adopted
- `pipes`, `memfile`: what programs write; what they are given, and what they say of a failure
- `descriptors`: how many the daemon may have open, and how many what it starts
- `cleanup`: undoing, releasing and closing: each step whatever the others do
- `singleflight`: equal work is done once; a caller that gives up does not end it
- `resumable`: the same, and a result waits for the caller's next try
- `tasks`: tasks that nobody awaits, and their ends
- `retry`: what must succeed some day, tried in the background
- `broadcast`: one publisher, many subscribers with bounded queues; the slow ones are dropped
- `fair`: long work on the loop, in slices
- `rounds`: the same for what many sources bring, each in its turn
- `changes`: waiting for a change of something that has a name
- `keyed_lock`: one lock a key, gone when nobody holds it
- `reaper`: ends the zombies a subreaper inherits
"""
