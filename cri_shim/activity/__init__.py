"""Work in hand: which operations run, and what each of them waits for.

An operation is one verb on one object, such as RunPodSandbox of pod default/web. It consists of
steps, such as the ADD of one CNI plugin. The code that waits says so:

    with Step("CNI bridge ADD", "CNI plugin bridge, ADD of network n", limit=120):
        ...

A step belongs to the operation in whose task it runs: a context variable has it, so no function
passes it on. Without an operation a step is only timed. A step costs a few microseconds.

What is known of operations goes to the log (a warning for a step that takes long, a debug line at
each step's end), to `cri-shim info`, and into the errors and log lines of the calls that wait. A
step has a beginning, an end and what it waited for; `Operation.finished` sees each one at its end.

- `subject`: what an object is called
- `error_names`: the names of objects in the text of an error
- `step`: one stage of an operation; the step that runs now
- `operation`: one verb on one object: its open steps, and the time that its ended ones took
- `operations`: all operations of a runtime; tells of steps that take long
- `joining`: runs work as a task within an operation, and lets others wait for it
- `request`: the id of the request that a task works for
- `caller`: the call of a client, and the operation that it waits for
- `peer`: the process at the other end of a connection
- `observing`: observers of operations and steps: the metrics and the traces
- `program`: a program's command line without secrets, for the log
"""

from cri_shim.activity.operation import Operation
from cri_shim.activity.operations import Operations
from cri_shim.activity.step import Step
from cri_shim.activity.subject import Subject

__all__ = ["Operation", "Operations", "Step", "Subject"]
