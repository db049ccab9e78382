"""The one convention of output: -o, -q and --no-headers.

A command calls `add` or `add_object` in its own `add`. Then it calls `show` with rows and columns,
or `show_object` with one document. A document is JSON: the one of `-o json`, which `-o yaml` and
the template show, too.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from cri_shim.cli import table
from cri_shim.cli.arguments import TEMPLATE, OutputFormat
from cri_shim.cli.table import Column, Row
from cri_shim.cli.usage import Parser
from cri_shim.untrusted import one_line

_LISTS = ("table", "wide", "json", "yaml", "name", TEMPLATE)
_OBJECTS = ("table", "json", "yaml", TEMPLATE)
_ABSENT = {"--format": "use -o json, -o yaml or -o go-template=TEMPLATE"}


def add(parser: argparse.ArgumentParser, *, quiet: bool = True) -> None:
    """Add the flags of a command that lists objects."""
    _add_format(parser, _LISTS, "table")
    if quiet:
        parser.add_argument("-q", "--quiet", action="store_true", help="print only full IDs")
    parser.add_argument("--no-headers", action="store_true", help="print no line of column names")


def add_object(parser: argparse.ArgumentParser, default: str = "table") -> None:
    """Add the flags of a command that shows one object; `table` is its text."""
    _add_format(parser, _OBJECTS if default == "table" else _OBJECTS[1:], default)
    add_json_flag(parser)


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """Accept --json for -o json: some commands had it first."""
    parser.add_argument(
        "--json", action="store_const", const="json", dest="output", default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )  # fmt: skip


def show(
    args: argparse.Namespace,
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    *,
    document: Callable[[], Any],
    id: Callable[[Row], str],
    name: Callable[[Row], str],
) -> None:
    """Print a list. `id` is for -q, `name` for -o name: what other commands accept."""
    if getattr(args, "quiet", False):
        _print_lines(map(id, rows))
    elif args.output == "name":
        _print_lines(map(name, rows))
    elif args.output in ("table", "wide"):
        wide = args.output == "wide"
        width = None if wide else table.terminal_width()
        chosen = [column for column in columns if wide or not column.wide]
        _print_lines(table.lines(chosen, rows, width=width, headers=not args.no_headers))
    else:
        print(_formatted(args.output, document()), end="")


def show_object(args: argparse.Namespace, document: Any, text: Callable[[], str] = str) -> None:
    """Print one object: `text` returns it for people."""
    print(f"{text()}\n" if args.output == "table" else _formatted(args.output, document), end="")


def _add_format(parser: argparse.ArgumentParser, formats: Sequence[str], default: str) -> None:
    known = "|".join(f.replace(TEMPLATE, f"{TEMPLATE}TEMPLATE") for f in formats)
    parser.add_argument(
        "-o", "--output", metavar="FORMAT", type=OutputFormat(tuple(formats)), default=default,
        help=f"{known} ({default})",
    )  # fmt: skip
    if isinstance(parser, Parser):
        parser.absent = {**_ABSENT, **parser.absent}


def _formatted(format: str, document: Any) -> str:
    if format == "json":
        return json.dumps(document, indent=2) + "\n"
    if format == "yaml":
        import yaml

        return yaml.safe_dump(document, sort_keys=False, allow_unicode=False)
    from cri_shim.cli import template

    return template.filled(format.removeprefix(TEMPLATE), document)


def _print_lines(lines: Any) -> None:
    print("".join(f"{one_line(line)}\n" for line in lines), end="")
