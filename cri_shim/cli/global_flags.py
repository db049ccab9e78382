"""The flags that every command accepts, before and after its name."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_shim.cli.arguments import absolute, duration, key_assignment

_LEVELS = ("debug", "info", "warning", "error")


def add(parser: argparse.ArgumentParser, depth: int = 0) -> None:
    """Add the flags: with their help at the top (depth 0), without it to a command.

    A flag of the command itself has precedence over a global one of the same name.
    """
    add = _adder(parser, depth)
    add("--config", metavar="FILE", type=Path, help="configuration file to read")
    add("--root", metavar="DIR", type=absolute, help="server.root of the configuration")
    add("--run-root", metavar="DIR", type=absolute, help="server.run_root of the configuration")
    add("--socket", metavar="PATH", type=absolute, help="the daemon's unix socket")
    add("--log-level", choices=_LEVELS, help="least level of the log lines to write")
    add("-D", "--debug", action="store_true", help="the same as --log-level debug")
    add("--timeout", metavar="TIME", type=duration, dest="call_timeout",
        help="time limit for each call to the daemon, like 30s")  # fmt: skip
    # Each depth has its own list: argparse replaces the list of the depth above.
    add("--set", metavar="KEY=VALUE", action="append", dest=f"set{depth}", type=key_assignment,
        help="set any other key of the configuration, like network.bridge=br0")  # fmt: skip


def _adder(parser: argparse.ArgumentParser, depth: int) -> Callable[..., None]:
    def add(*names: str, help: str, **words: Any) -> None:
        free = [name for name in names if name not in parser._option_string_actions]
        if not free:
            return
        if depth:
            words |= {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            words.setdefault("dest", names[-1].lstrip("-").replace("-", "_"))
        else:
            words["help"] = help
        parser.add_argument(*free, **words)

    return add


def overrides(args: argparse.Namespace) -> dict[str, str]:
    """Return the configuration keys that flags set; a named flag wins over --set."""
    level = "debug" if args.debug and not args.log_level else args.log_level
    named = {
        "server.root": args.root,
        "server.run_root": args.run_root,
        "server.socket": args.socket,
        "server.log_level": level,
    }
    pairs = (pair for depth in range(3) for pair in getattr(args, f"set{depth}", None) or [])
    return dict(pairs) | {key: value for key, value in named.items() if value is not None}
