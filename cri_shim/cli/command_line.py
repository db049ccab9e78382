"""The parser of the whole command line. A command's module is imported when it is named."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from cri_shim.cli import exit_codes, global_flags
from cri_shim.cli.commands import ABSENT, ALIASES, GROUPS
from cri_shim.cli.usage import Commands, Parser
from cri_shim.version import __version__

_PACKAGE = "cri_shim.cli.commands"
_HERE = Path(__file__).parent / "commands"
_GLOBAL = "Global flags work here, too: see `cri-shim help`."


class _Top(Parser):
    """The parser of `cri-shim`; its help shows the commands in groups."""

    def format_help(self) -> str:
        formatter = self._get_formatter()
        width = formatter._width  # the terminal's
        parts = ["usage: cri-shim [GLOBAL FLAGS] COMMAND ...", self.description or ""]
        for title, names in GROUPS.items():
            lines = [_wrapped(f"  {name:<14}", summary(name), width) for name in names]
            parts.append("\n".join([f"{title}:", *lines]))
        aliases = ", ".join(f"{alias} ({of})" for alias, of in ALIASES.items())
        parts.append(_wrapped("Aliases: ", f"{aliases}.", width))
        formatter.start_section("Global flags, before or after the command")
        formatter.add_arguments(a for a in self._actions if not isinstance(a, Commands))
        formatter.end_section()
        parts += [formatter.format_help().rstrip(), f"Exit codes:\n{exit_codes.table()}"]
        return "\n\n".join([*parts, _TOP_END]) + "\n"


def _wrapped(begin: str, text: str, width: int) -> str:
    """Return lines of at most `width` characters; the later ones are indented below the text."""
    import textwrap

    indent = " " * len(begin)
    return textwrap.fill(text, width, initial_indent=begin, subsequent_indent=indent)


_TOP_END = """\
Environment:
  CRI_SHIM_SOCKET             the daemon's socket
  CONTAINER_RUNTIME_ENDPOINT  the same, as unix:///PATH

Examples:
  cri-shim serve                    run the daemon
  cri-shim run busybox echo hello   run a command in a pod
  cri-shim ps -a                    list all containers
  cri-shim logs -f default/web/main
  cri-shim help image               help for a command"""


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = _Top(prog="cri-shim", description="A Kubernetes container runtime.", absent=ABSENT)
    top.usage = "cri-shim [GLOBAL FLAGS] COMMAND ..."
    top.add_argument("--version", action="version", version=f"cri-shim {__version__}",
        help="show the version and exit")  # fmt: skip
    global_flags.add(top)
    top.set_defaults(failed=exit_codes.FAILED)
    commands = cast(Commands, top.add_subparsers(metavar="COMMAND", required=True))
    names = [name for group in GROUPS.values() for name in group]

    def made(name: str) -> Parser:
        return _parser(f"cri-shim {name}", ALIASES.get(name, name).split(), depth=1)

    commands.offer(names, ALIASES, made, summary)
    return top


def _parser(prog: str, path: list[str], depth: int) -> Parser:
    """Return the parser of a command, or of an action: `path` is its modules' names."""
    module = importlib.import_module(".".join([_PACKAGE, *path]).replace("-", "_"))
    found = Parser(prog=prog, absent=getattr(module, "ABSENT", None))
    if names := getattr(module, "NAMES", None):
        _add_actions(found, path, names, module, depth)
    else:
        module.add(found)
        found.set_defaults(command=module.run, failed=getattr(module, "FAILED", exit_codes.FAILED))
    found.description = found.description or summary(*path)
    found.epilog = "\n\n".join(_end(module, found.epilog))
    global_flags.add(found, depth)
    return found


def _add_actions(
    parser: Parser, path: list[str], names: list[str], module: ModuleType, depth: int
) -> None:
    aliases: dict[str, str] = module.ALIASES
    actions = cast(Commands, parser.add_subparsers(metavar="ACTION", required=True))

    def made(name: str) -> Parser:
        return _parser(f"{parser.prog} {name}", [*path, aliases.get(name, name)], depth + 1)

    actions.offer(names, aliases, made, lambda name: summary(*path, name))


def _end(module: ModuleType, own: Any) -> Iterator[str]:
    if own:
        yield own
    if examples := getattr(module, "EXAMPLES", "").strip():
        yield "examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines())
    yield _GLOBAL


def summary(*path: str) -> str:
    """Return the first line of a command's docstring, without importing the command."""
    place = _HERE.joinpath(*(name.replace("-", "_") for name in path))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    with file.open(encoding="utf-8") as lines:
        return lines.readline().strip().strip('"').removesuffix(".")
