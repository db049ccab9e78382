"""Fuzzing of every format that others send or write.

A target has a small corpus, made here, and a function that takes one input. The property is the
same for all: it returns, or raises an error that its documentation names, in one printable line;
within a limit of CPU time and of memory; and it logs no traceback.

- `target`: what a target is; `mutation`: new inputs of old ones, by a seed
- `images`, `networks`, `files`, `runtimes`, `streams`, `calls`: the targets
- `harness`: tries inputs, and keeps those with a new outcome as a corpus for more
- `__main__`: the program, for hack/fuzz; tests/hostile/test_hostile_fuzz.py runs a short part of it

More about single protocols is in tests/unit/wire and tests/unit/streaming, by hypothesis.
"""
