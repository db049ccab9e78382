"""hooks: the OCI hooks of this node, and which of them would be put into a given container.

This command reads the configured directories itself, and asks the daemon about the container.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cri_shim import config
from cri_shim.hooks.directories import Hooks
from cri_shim.spec import hooks
from cri_shim.untrusted import one_line


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON, with every condition")
    parser.add_argument("container", nargs="?", metavar="CONTAINER", help="an id: whom it matches")


async def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    found = Hooks([Path(directory) for directory in settings.hooks_dir]).scan()
    of = await _subject(settings.server.socket, args.container) if args.container else None
    rows = [_row(definition, of) for definition in found.definitions]
    if args.json:
        print(json.dumps({"hooks": rows, "problems": found.bad}, indent=2))
        return 0
    print("\n".join(_table(rows)) if rows else "no hooks")
    for problem in found.bad:
        print(f"cri-shim: warning: {one_line(problem)}", file=sys.stderr)
    return 0


async def _subject(socket: Path, id: str) -> hooks.Subject:
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    async with Client(socket) as client:
        request = api.ContainerStatusRequest(container_id=id, verbose=True)
        answer = await client.runtime.ContainerStatus(request)
        info = json.loads(answer.info["info"])
        pod = await client.runtime.PodSandboxStatus(
            api.PodSandboxStatusRequest(pod_sandbox_id=info["sandboxID"])
        )
    annotations = {**pod.status.annotations, **answer.status.annotations}
    return hooks.subject(info["runtimeSpec"], annotations, answer.status.mounts)


def _row(definition: hooks.Definition, of: hooks.Subject | None) -> dict[str, Any]:
    hook = definition.hook
    row = {
        "name": definition.name,
        "file": str(definition.file),
        "path": hook.path,
        "args": hook.args,
        "stages": hook.stages,
        "when": _conditions(hook.when),
    }
    return row if of is None else row | {"matches": hooks.matches(hook, of)}


def _conditions(when: hooks.When) -> dict[str, Any]:
    """Return the given conditions; `any` if one of them is sufficient."""
    given = {
        "always": when.always,
        "annotations": [[key.pattern, value.pattern] for key, value in when.annotations],
        "commands": [pattern.pattern for pattern in when.commands],
        "hasBindMounts": when.bind_mounts,
    }
    kept = {name: value for name, value in given.items() if value not in (None, [])}
    return kept | ({"any": True} if when.any_will_do else {})


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    head = ["NAME", "STAGES", "PROGRAM", "FILE"]
    words = [[r["name"], ",".join(r["stages"]), r["path"], r["file"]] for r in rows]
    cells = [list(map(one_line, line)) for line in words]
    if "matches" in rows[0]:
        head.insert(1, "MATCHES")
        for row, line in zip(rows, cells, strict=True):
            line.insert(1, "yes" if row["matches"] else "no")
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *cells]
    ]
