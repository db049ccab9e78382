"""Show the help of this program or of a command."""

import argparse

from cri_shim.cli.usage import Commands, Parser

EXAMPLES = """
cri-shim help
cri-shim help ps
cri-shim help image pull
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command, and its action")


def run(args: argparse.Namespace) -> int:
    shown: Parser = args.parser()
    for word in args.words:
        commands = next((a for a in shown._actions if isinstance(a, Commands)), None)
        if commands is None:
            break
        try:
            shown._check_value(commands, word)
        except argparse.ArgumentError as e:
            shown.error(e.message)
        shown = commands.choices[word]
    shown.print_help()
    return 0
