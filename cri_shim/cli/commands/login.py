"""Keep the credentials of a registry for pulls by this node.

They come into the first auth file that pulls read (containers-auth.json), which only its owner can
read. They are not tried here: the next pull shows whether the registry accepts them.
"""

import argparse

from cri_shim.cli import credentials
from cri_shim.cli.exit_codes import UsageError
from cri_shim.registry.credentials import host

EXAMPLES = """
cri-shim login registry.example
cri-shim login -u robot --password-stdin registry.example
"""


def add(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag("-u", "--username", default="", metavar="USER", help="user (asked for)")
    flag("--password-stdin", action="store_true", help="read the password from standard input")
    flag("--authfile", default="", metavar="FILE", help="file to write, instead of the usual one")
    flag("registry", metavar="REGISTRY", help="host of the registry, with its port")


def run(args: argparse.Namespace) -> int:
    registry = host(args.registry)
    if args.password_stdin and not args.username:
        raise UsageError("--password-stdin needs --username")
    user = args.username or credentials.asked_user()
    given = args.password_stdin
    password = credentials.read_line() if given else credentials.asked_password(user)
    file = credentials.file(args.authfile)
    credentials.keep(file, registry, user, password)
    print(f"{registry}: the credentials of {user} are in {file}")
    return 0
