"""List OCI hooks, and show which match a container.

This command reads the configured directories itself, and asks the daemon about the container.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cri_shim import config
from cri_shim.cli import daemon, output, which
from cri_shim.cli.arguments import CONTAINER, container_id
from cri_shim.cli.table import Column
from cri_shim.hooks.directories import Hooks
from cri_shim.spec import hooks
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim hooks
cri-shim hooks default/web/main
cri-shim hooks -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)
    output.add_json_flag(parser)
    parser.add_argument(
        "container", nargs="?", metavar="CONTAINER", type=container_id,
        help=f"show which match this {CONTAINER}",
    )  # fmt: skip


async def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    found = Hooks([Path(directory) for directory in settings.hooks_dir]).scan()
    of = await _subject(args, settings) if args.container else None
    rows = [_row(definition, of) for definition in found.definitions]
    columns: list[Column[dict[str, Any]]] = [
        Column("NAME", lambda row: row["name"]),
        Column("STAGES", lambda row: ",".join(row["stages"]), rank=1),
        Column("PROGRAM", lambda row: row["path"], rank=2, cut=True),
        Column("FILE", lambda row: row["file"], cut=True),
    ]
    if of is not None:
        columns.insert(1, Column("MATCHES", lambda row: "yes" if row["matches"] else "no"))
    output.show(
        args,
        rows,
        columns,
        document=lambda: {"hooks": rows, "problems": found.bad},
        id=lambda row: row["file"],
        name=lambda row: row["name"],
    )
    if args.output in ("table", "wide"):
        for problem in found.bad:
            print(f"cri-shim: warning: {one_line(problem)}", file=sys.stderr)
    return 0


async def _subject(args: argparse.Namespace, settings: config.Config) -> hooks.Subject:
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args, settings) as client:
        id = await which.container(client, args.container)
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
