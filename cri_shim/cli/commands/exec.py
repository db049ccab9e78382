"""Run a command in a container and exit with its code.

Output is shown at once. With --sync the daemon waits for the end, as for a probe.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id, variable
from cri_shim.cli.exit_codes import RUN_FAILED, UsageError

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


FAILED = RUN_FAILED
EXAMPLES = """
cri-shim exec web ls -l /
cri-shim exec -it default/web/main sh
cri-shim exec -u 1000 -w /tmp -e NAME=value web env
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--interactive", action="store_true", help="keep stdin open")
    parser.add_argument("-t", "--tty", action="store_true", help="allocate a TTY")
    parser.add_argument(
        "-e", "--env", action="append", default=[], type=variable, metavar="NAME[=VALUE]",
        help="set an environment variable; without a value, the one that it has here",
    )  # fmt: skip
    parser.add_argument("-w", "--workdir", default="", metavar="DIR", help="working directory")
    parser.add_argument("-u", "--user", default="", metavar="USER[:GROUP]", help="names or ids")
    parser.add_argument(
        "--sync", action="store_true",
        help="wait for the end, then show the output (16 MB at most), as a probe does",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=int, default=0,
        help="kill the command after this time; needs --sync (0: never)",
    )  # fmt: skip
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)
    parser.add_argument("program", metavar="COMMAND", help="the program to run")
    rest = parser.add_argument(
        "args", nargs=argparse.REMAINDER, metavar="ARG", help="its arguments"
    )
    rest.required = False  # for argparse's error


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli import conversation

    _check(args)
    conversation.check_terminal(stdin=args.interactive, tty=args.tty)
    if not args.interactive:
        conversation.tell_unread_input()
    settings = config.load(args.config, args.overrides)
    async with daemon.client(args, settings, patient=True) as client:
        args.container = await which.container(client, args.container)
        if args.sync:
            return await _wait(client, args)
        url = await _url(client, args)
        file = settings.streaming.tls_cert_file
        certificate = Path(file) if file else None
        outcome = await conversation.converse(
            url, certificate, stdin=args.interactive, tty=args.tty
        )
    return conversation.exit_code(outcome)


def _check(args: argparse.Namespace) -> None:
    if args.timeout and not args.sync:
        raise UsageError("--timeout needs --sync: a session has no time limit")
    own = [flag for flag in ("interactive", "tty", "env", "workdir", "user") if vars(args)[flag]]
    if args.sync and own:
        raise UsageError(f"--sync cannot be combined with --{own[0]}")


async def _wait(client: "Client", args: argparse.Namespace) -> int:
    from cri_shim.cli.conversation import show
    from cri_shim.pb import api_pb2 as api

    answer = await client.runtime.ExecSync(
        api.ExecSyncRequest(
            container_id=args.container, cmd=[args.program, *args.args], timeout=args.timeout
        )
    )
    show(1, answer.stdout)
    show(2, answer.stderr)
    return int(answer.exit_code)


async def _url(client: "Client", args: argparse.Namespace) -> str:
    from cri_shim.pb import control_pb2 as control

    request = control.ExecRequest(
        container_id=args.container,
        cmd=[args.program, *args.args],
        tty=args.tty,
        stdin=args.interactive,
        stdout=True,
        stderr=not args.tty,
        environment=[f"{name}={value}" for name, value in args.env],
        working_dir=args.workdir,
        user=args.user,
    )
    return str((await client.control.Exec(request)).url)
