"""Timelines: what each operation of a pod waited for, also of pods that failed or are gone.

`activity` tells of each operation at its end. Here it becomes an entry: the verb, the object, begin
and duration, the error, and its stages, which are the ended steps. A stage has a name, what was
waited for, begin and duration; stages may be inside of others. The time of a stage without that of
its inner ones is its own time: a plugin that sleeps has it, the network that waits for it does not.

The hot path only keeps a reference to the ended operation. FLUSH_S later, a thread writes what has
come meanwhile. An operation that lasts long is also written while it is open, so that a daemon that
is killed leaves what it waited for. Each pod has a file of its own, named by its id, with a line of
JSON for each entry. Files are appended and not synced: a power cut may lose the last entries. A
line that cannot be read is left out, and a file that cannot be written is a warning; nothing else
depends on them.

Everything is bounded: the number of pods, the bytes of a pod, the stages of an entry and each text.
A pod beyond its bytes keeps the entries of its start and the newest ones. Memory has only the names
of the files, and the operations of the last seconds.

- `entry`: an entry and its stages
- `recording`: an operation becomes an entry
- `lines`: an entry as a line of JSON, and back
- `files`: the files of the pods in one directory
- `first_lines`: looks for the first line of a container's log, a few times after its start
- `timelines`: takes ended operations, writes them later, and reads them
- `facts`: the JSON that is shown; own times; how long the start of a pod took
"""

from cri_shim.timeline.entry import Entry, Stage
from cri_shim.timeline.timelines import Timelines

__all__ = ["Entry", "Stage", "Timelines"]
