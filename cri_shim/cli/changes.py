"""Shows the changes of a file system, as `diff` and `image diff` do."""

import argparse
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from cri_shim.cli import output
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.pb.control_pb2 import DiffResponse


async def show(args: argparse.Namespace, parts: "AsyncIterable[DiffResponse]") -> None:
    """Print a line for each change, or a list of objects."""
    found = [change async for part in parts for change in part.changes]
    document = [{"kind": change.kind, "path": change.path} for change in found]
    if found or args.output != "table":
        lines = [f"{change.kind} {change.path}" for change in found]
        output.show_object(args, document, lambda: "\n".join(map(one_line, lines)))
