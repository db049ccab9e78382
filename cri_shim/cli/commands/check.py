"""Check the node: kernel, programs, network, space; compare the records with the node.

Before the first start this command looks itself, and makes nothing. With a daemon it asks the
daemon, which also knows whether its OCI runtimes have made a container.

Then the records of pods, containers and images are compared with what is on the node. Each
difference is shown with its object and path: what no record owns (leftover), and what a record
names and is gone (lost). Objects in work are left out. Nothing is changed without --repair, which
repairs what is safe: docs/operate.md has each class. The exit code is 1 if a difference is left, or
if no pod can run.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from cri_shim import config
from cri_shim.cli import comparing, daemon, exit_codes, output, table
from cri_shim.cli.listing import age
from cri_shim.cli.table import Column, wrapped
from cri_shim.errors import CriShimError, Unimplemented, Unreachable
from cri_shim.problems import Finding, Level
from cri_shim.problems import problems as by_severity

RECORDS, REPAIRED = "records", "repaired"
EXAMPLES = """
cri-shim check
cri-shim check -o json
cri-shim check --repair
cri-shim --config new.toml check
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)
    output.add_json_flag(parser)
    parser.add_argument(
        "--repair", action="store_true", help="repair the differences for which this is safe"
    )


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    findings = look(args, settings)
    compared, finding = _compared(args, settings)
    return show(args, [*findings, finding], compared)


def _compared(
    args: argparse.Namespace, settings: config.Config
) -> tuple[list[dict[str, Any]], Finding]:
    """Return the differences, and the line of the table about them."""
    try:
        facts = asyncio.run(comparing.compare(args, settings, repair=args.repair))
    except CriShimError as e:
        if args.repair:
            raise
        return [], Finding(RECORDS, Level.NOTE, f"not compared with the node: {e}")
    return facts["differences"], records(facts)


def records(facts: dict[str, Any]) -> Finding:
    """Return the one finding of a comparison."""
    if facts["problems"]:
        return Finding(RECORDS, Level.WARNING, "; ".join(facts["problems"]))
    found = facts["differences"]
    left = [each for each in found if each["result"] != REPAIRED]
    repaired = _repaired(len(found) - len(left))
    if not left:
        return Finding(RECORDS, Level.OK, repaired or "agree with the node")
    places = "1 place" if len(left) == 1 else f"{len(left)} places"
    sentence = "; ".join(filter(None, (repaired, f"differ from the node in {places}")))
    safe = sum(bool(each["repair"]) and not each["result"] for each in left)
    remedy = f"cri-shim check --repair repairs {safe} of them" if safe else ""
    return Finding(RECORDS, Level.WARNING, sentence, remedy)


def _repaired(number: int) -> str:
    if number == 1:
        return "1 difference was repaired"
    return f"{number} differences were repaired" if number else ""


def show(
    args: argparse.Namespace, findings: list[Finding], differences: Sequence[dict[str, Any]] = ()
) -> int:
    """Print the findings, below the table each problem in full, and the differences.

    Return 1 if a pod cannot run, or if a difference is left.
    """
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
        document=lambda: [*(row.facts() for row in findings), *map(_document, differences)],
        id=lambda row: row.what,
        name=lambda row: row.what,
    )
    if args.output == "table":
        for problem in by_severity(findings):
            print(f"\n{wrapped(f'{problem.level}: {problem.what}: {problem.text}')}")
    if differences and args.output in ("table", "wide"):
        print("\n" + "\n".join(_lines(args, differences)))
    failed = any(finding.level is Level.FAILS for finding in findings)
    failed = failed or any(each["result"] != REPAIRED for each in differences)
    return exit_codes.FAILED if failed else exit_codes.OK


def _document(difference: dict[str, Any]) -> dict[str, Any]:
    """Return a difference with the fields of a finding, too."""
    level = Level.OK if difference["result"] == REPAIRED else Level.WARNING
    finding = Finding("difference", level, difference["sentence"], difference["repair"])
    return finding.facts() | difference


def _lines(args: argparse.Namespace, differences: Sequence[dict[str, Any]]) -> list[str]:
    columns: list[Column[dict[str, Any]]] = [
        Column("DIFFERENCE", lambda row: row["class"]),
        Column("SORT", lambda row: row["sort"], rank=2),
        Column("OBJECT", lambda row: row["object"], cut=True),
        Column("SINCE", lambda row: age(int(row["since"] * 1e9)) if row["since"] else "-", rank=3),
        Column("PATH", lambda row: row["path"]),
        Column("MEANING", lambda row: row["sentence"], wide=True),
        Column("REPAIR", lambda row: row["result"] or row["repair"] or "none is safe", cut=True),
    ]
    wide = args.output == "wide"
    chosen = [column for column in columns if wide or not column.wide]
    width = None if wide else table.terminal_width()
    return table.lines(chosen, differences, width=width, headers=not args.no_headers)


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
