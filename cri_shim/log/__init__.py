"""Logging: one event a line, to stderr, as text or JSON; to the journal with fields.

An event costs the work of making its line. Lines of a level that is not enabled are not made.

- `levels`: the names of levels and forms
- `event`: one event: message, facts, object, request
- `text`, `json_lines`, `journal`: its forms
- `outlet`: writes them, and never keeps the event loop waiting
- `setting`: the setup of a program, and the change of its level while it runs
"""
