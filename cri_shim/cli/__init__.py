"""The command line: one module for each command, and `main`, which selects one.

Only `serve` is the daemon; every other command for pods or images calls a running daemon through
its socket. A failure is one sentence on stderr and exit code 1; bad usage is exit code 2.

A command is a module with `add(parser)`, which declares its arguments, and `run(args)`, which
returns the exit code. Heavy imports are inside `run`, so that `--help` is fast. The first line of a
command's module is its help text.

- `serve`: the daemon; `notify`: its messages to systemd
- `config`, `hooks`, `version`, `info`: show the configuration and the daemon
- `config_text`: a configuration as TOML
- `from_libpod`, `from_containerd`, `from_crio`: convert other configurations; `conversion`: the
  part that they share
- `run`, `image`: more than crictl: a command in a pod; image archives; `pulls`: how far pulls are
- `pods`, `ps`, `logs`, `exec`, `inspect`, `stop`, `rm`: like crictl's commands
- `completion`: scripts for shells; `candidates`: the words that complete a command line
- `listing`: filters and tables of `pods` and `ps`
- `messages`: messages as crictl's JSON
- `which`: finds the object of an id
- `session`, `terminal`: the client's end of an exec
- `arguments`: types of arguments
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from cri_shim.cli import (
    completion,
    config,
    exec,
    hooks,
    image,
    info,
    inspect,
    logs,
    pods,
    ps,
    rm,
    run,
    serve,
    stop,
    version,
)
from cri_shim.cli.arguments import absolute, assignment, overrides
from cri_shim.errors import CriShimError
from cri_shim.untrusted import one_line
from cri_shim.version import __version__

_COMMANDS = {
    "serve": serve,
    "run": run,
    "pods": pods,
    "ps": ps,
    "logs": logs,
    "exec": exec,
    "inspect": inspect,
    "stop": stop,
    "rm": rm,
    "image": image,
    "info": info,
    "config": config,
    "hooks": hooks,
    "version": version,
    "completion": completion,
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="cri-shim", description="A Kubernetes container runtime.")
    top.add_argument("--version", action="version", version=f"cri-shim {__version__}")
    top.add_argument("--config", metavar="FILE", type=Path, help="configuration to read")
    for flag, key in (("--root", "server.root"), ("--run-root", "server.run_root")):
        top.add_argument(flag, metavar="DIR", type=absolute, help=f"{key} of the configuration")
    top.add_argument("--socket", metavar="PATH", type=absolute, help="the daemon's unix socket")
    top.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    top.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], type=assignment,
        help="any other key of the configuration, like network.bridge=br0",
    )  # fmt: skip
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        summary = (command.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=summary.partition(": ")[2], description=summary)
        command.add(sub)
        sub.set_defaults(command=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    args = parser().parse_args(argv)
    args.overrides = overrides(args)
    args.parser = parser
    try:
        result = args.command(args)
        return _until_done(result) if isinstance(result, Coroutine) else int(result)
    except CriShimError as e:
        print(f"cri-shim: {e}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of stdout is gone: suppress the error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as e:  # an error of the machine: a read-only directory, a full disk
        print(f"cri-shim: {one_line(e)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


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
