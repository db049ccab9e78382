"""Show what the start of a pod waited for, stage by stage.

Each line is an operation or one of its stages. OWN is the time that none of its inner stages has:
its bar is full there, and light where an inner stage has the time. The last 1,000 pods have a
timeline, also those that failed or were removed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cri_shim.cli import daemon, output, table, timeline_page, waterfall
from cri_shim.cli.arguments import pod_id
from cri_shim.cli.exit_codes import FAILED, Exit, UsageError
from cri_shim.cli.table import Column

_MOST = 1000  # pods that have a timeline
_USUAL = 10
EXAMPLES = """
cri-shim timeline web
cri-shim timeline kube-system/dns -o json
cri-shim timeline web --html web.html
cri-shim timeline --slowest
cri-shim timeline --slowest 50 -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pod", nargs="?", metavar="POD", type=pod_id,
        help="pod: [NAMESPACE/]NAME, ID, or unique ID prefix; also one that is gone",
    )  # fmt: skip
    parser.add_argument(
        "--slowest", nargs="?", metavar="N", type=_number, const=_USUAL,
        help=f"list the N pods whose start took longest ({_USUAL})",
    )  # fmt: skip
    parser.add_argument(
        "--html", metavar="FILE", help="write it as one HTML page; -: to standard output"
    )
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2 as control

    if (args.pod is None) == (args.slowest is None):
        raise UsageError("name one POD, or give --slowest")
    if args.html and (args.slowest is not None or args.output != "table"):
        raise UsageError("--html shows one POD, without -o")
    async with daemon.client(args) as client:
        if args.slowest is not None:
            listed = await client.control.SlowestPods(control.SlowestPodsRequest(most=args.slowest))
            document = json.loads(listed.json)
            output.show_object(args, document, lambda: "\n".join(_rows(document["pods"])))
            return 0
        found = await client.control.Timeline(control.TimelineRequest(pod=args.pod))
    document = json.loads(found.json)
    if args.html:
        _write(args.html, timeline_page.page(document))
    else:
        output.show_object(args, document, lambda: "\n".join(_drawn(document)))
    return 0


def _write(file: str, page: str) -> None:
    if file == "-":
        print(page, end="")
        return
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as e:
        raise Exit(FAILED, f"cannot write {file}: {e.strerror}") from e


def _drawn(document: dict[str, Any]) -> list[str]:
    width = table.terminal_width() or waterfall.USUAL_WIDTH
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return waterfall.lines(document, width=width, unicode=unicode)


def _rows(pods: list[dict[str, Any]]) -> list[str]:
    columns: list[Column[dict[str, Any]]] = [
        Column("POD ID", lambda pod: pod["id"][:13]),
        Column("BEGIN", lambda pod: f"{pod['begin'][:19]}Z", rank=2),
        Column("TOOK", lambda pod: waterfall.duration(pod["startSeconds"])),
        Column("LONGEST STAGE", _longest, cut=True),
        Column("RESULT", lambda pod: "failed" if pod["failed"] else "started", rank=3),
        Column("NAME", lambda pod: pod["name"], rank=1, cut=True),
    ]
    return table.lines(columns, pods, width=table.terminal_width())


def _longest(pod: dict[str, Any]) -> str:
    return f"{pod['longestStage']} ({waterfall.duration(pod['longestSeconds'])})"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_MOST}, not {text!r}")
    return int(text)
