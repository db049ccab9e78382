"""Keep the credentials of a registry for pulls by this node.

They are tried at the registry first. They come into the first auth file that pulls read
(containers-auth.json), which only its owner can read.
"""

import argparse
import os

from cri_shim import config
from cri_shim.cli import credentials
from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import ToolFailed
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
    asked = _try(args, registry, user, password)
    credentials.keep(file, registry, user, password)
    print(f"{registry} {'accepts' if asked else 'does not ask for'} the credentials of {user}")
    print(f"they are in {file}")
    return 0


def _try(args: argparse.Namespace, registry: str, user: str, password: str) -> bool:
    """Return whether the registry asked for the credentials. ToolFailed if it refuses them."""
    from cri_shim.registry import login
    from cri_shim.registry.credentials import Credential
    from cri_shim.registry.failure import Failure

    settings = config.load(args.config, args.overrides)
    conf = settings.image.registries_conf
    try:
        return login.accepts(
            registry, Credential(user, password), registries_conf=conf, environ=os.environ
        )
    except Failure as e:
        raise ToolFailed(f"the credentials are not kept: {e}") from e
