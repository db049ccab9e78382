"""The command line: `main` runs one command.

Only `serve` is the daemon; every other command for pods or images calls a running daemon through
its socket. A failure is one sentence on stderr; its exit code is decided in `exit_codes`. Heavy
imports are inside functions, so that a command starts quickly.

The commands are the modules of `commands`. What they share:

- `command_line`: the parser of the whole command line; `usage`: its errors
- `global_flags`, `arguments`: the flags of every command, and types of arguments
- `daemon`: the connection to the daemon
- `output`: -o, -q and --no-headers; `table`: columns for a terminal's width; `template` and
  `template_value`: -o go-template
- `exit_codes`: the exit code of each kind of error
- `listing`: filters of `pods` and `ps`; `messages`: messages as crictl's JSON
- `which`: finds the object of a name or an id
- `endings`: how containers ended
- `log_sources`, `log_writer`: the files of `logs`, and its lines
- `candidates`: the words that complete a command line; `known_words`: those of the daemon
- `session`, `terminal`, `conversation`: the client's end of an exec, attach or run
- `request_file`, `plan_text`: the files and the text of `plan`
- `run_request`, `run_pod`, `interrupts`: the parts of `run`
- `port_session`: the client's end of a forwarded connection
- `screen`: lines that are drawn again and again; `load`: the rows of `top`
- `waterfall`, `timeline_page`: a timeline as text, and as HTML
- `desk`: the page of the command `desk`
- `pulls`: how far pulls are; `credentials`: of registries
- `changes`: the changes of a file system; `tar_file`: the file of a tar
- `comparing`: the comparison of the records with the node, for `check` and `leaks`
- `config_text`: a configuration as TOML; `config_diff`: where it differs; `convert`: reads the
  configurations of others
- `notify`: the daemon's messages to systemd; `reloads`: the reloads that SIGHUP asks for
"""

import asyncio
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from cri_shim.cli import exit_codes
from cri_shim.cli.command_line import parser
from cri_shim.cli.global_flags import overrides
from cri_shim.errors import CriShimError
from cri_shim.untrusted import one_line

_FIELD = re.compile(r"^config\.[\w.\[\]]+: ")
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    _open_standard_streams()
    return _guarded(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    args = parser().parse_args(argv)
    args.overrides = overrides(args)
    args.parser = parser
    try:
        result = args.command(args)
        return _until_done(result) if isinstance(result, Coroutine) else int(result)
    except CriShimError as e:
        if args.debug:
            import traceback

            traceback.print_exc()
        # The path of a field of the CRI is for its callers; no key of the configuration begins so.
        text = _FIELD.sub("", one_line(e))
        print(f"cri-shim: {text}", file=sys.stderr)
        return exit_codes.of(e, args.failed)


def _guarded(run: Callable[[], int]) -> int:
    """Return the exit code of `run`; write all of its output, and tell why if that fails."""
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of stdout has closed it: no message would be read
        _drop_output()
        return exit_codes.FAILED
    except OSError as e:  # an error of the machine: a read-only directory, a full disk
        problem = one_line(e)
        if e.filename is None and e.errno in _OUTPUT_ERRORS:
            problem = f"cannot write the output: {e.strerror}"
            _drop_output()
        print(f"cri-shim: {problem}", file=sys.stderr)
        return exit_codes.FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _open_standard_streams() -> None:
    """Open /dev/null in place of a standard stream that the caller has closed.

    Python has None for it, and the next file that is opened would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115


def _drop_output() -> None:
    """Let the interpreter write what is left of the output to nowhere at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _until_done(command: Coroutine[Any, Any, int]) -> int:
    """Run a client command; SIGTERM cancels it like Ctrl-C, and it cleans up."""

    async def cancellable() -> int:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await command

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
