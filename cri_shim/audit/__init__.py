"""The audit record: who changed what, as JSON lines; each contains the hash of the one before.

A change is two lines with the same `id`: `open` before it begins, `close` with the result and the
duration. A line has the peer (user, group, process and program) and the object, and never an input,
an environment, a command or an error's text. A changed, removed or inserted line breaks the chain
of hashes; the removal of the newest lines does not, so the last hash must be kept elsewhere.

- `chain`: the hash of a line, and whether a line follows another one, pure
- `files`: the file and its rotated ones; appends, and continues the chain after a start
- `writer`: a thread that writes; a bounded queue; what happens when the disk is full
- `journal`: the lines of calls and sessions
- `verify`: finds the first line that breaks the chain
"""
