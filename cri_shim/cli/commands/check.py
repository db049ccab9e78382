"""Check the node: kernel, programs, network, space.

Before the first start this command looks itself, and makes nothing. With a daemon it asks the
daemon, which also knows whether its OCI runtimes have made a container.
"""

import argparse
import asyncio
import json
import sys

from cri_shim import config
from cri_shim.cli import daemon, exit_codes, output
from cri_shim.cli.table import Column, wrapped
from cri_shim.errors import Unimplemented, Unreachable
from cri_shim.problems import Finding, Level
from cri_shim.problems import problems as by_severity

EXAMPLES = """
cri-shim check
cri-shim check -o json
cri-shim --config new.toml check
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)


def run(args: argparse.Namespace) -> int:
    return show(args, look(args, config.load(args.config, args.overrides)))


def show(args: argparse.Namespace, findings: list[Finding]) -> int:
    """Print the findings, below the table each problem in full; return 1 if a pod cannot run."""
    columns: list[Column[Finding]] = [
        Column("CHECK", lambda row: row.what),
        Column("RESULT", lambda row: row.level),
        Column("DETAILS", lambda row: row.sentence, cut=True),
        Column("REMEDY", lambda row: row.remedy, wide=True),
    ]
    output.show(
        args,
        findings,
        columns,
        document=lambda: [row.facts() for row in findings],
        id=lambda row: row.what,
        name=lambda row: row.what,
    )
    if args.output == "table":
        for problem in by_severity(findings):
            print(f"\n{wrapped(f'{problem.level}: {problem.what}: {problem.text}')}")
    failed = any(finding.level is Level.FAILS for finding in findings)
    return exit_codes.FAILED if failed else exit_codes.OK


def look(args: argparse.Namespace, settings: config.Config) -> list[Finding]:
    """Return the findings of the daemon, else those of this process."""
    return asyncio.run(_look(args, settings))


async def _look(args: argparse.Namespace, settings: config.Config) -> list[Finding]:
    try:
        return await _of_daemon(args, settings)
    except Unreachable:
        return await of_node(settings)
    except Unimplemented:
        text = "cri-shim: the daemon is of an earlier version: this is a look without it"
        print(text, file=sys.stderr)
        return await of_node(settings)


async def _of_daemon(args: argparse.Namespace, settings: config.Config) -> list[Finding]:
    from cri_shim.pb import control_pb2

    async with daemon.client(args, settings) as client:
        answer = await client.control.Check(control_pb2.CheckRequest())
    found = [Finding.of(facts) for facts in json.loads(answer.json)]
    socket = daemon.socket(args, settings)
    return [Finding("daemon", Level.OK, f"answers on {socket}"), *found]


async def of_node(settings: config.Config) -> list[Finding]:
    """Return what this process finds of the node, as before the first start."""
    from cri_shim.problems import node, offline
    from cri_shim.problems.watch import merged

    found = merged(node.look(settings), await offline.look(settings))
    return [*found, *unsafe(settings)]


def unsafe(settings: config.Config) -> list[Finding]:
    from cri_shim.problems import advice

    warnings = [Finding("configuration", Level.WARNING, text) for text in settings.warnings]
    return [*warnings, *advice.of_places(settings)]
