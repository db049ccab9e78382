"""The comparison of the records with the node, for `check` and `leaks`: by the daemon, or without.

Without a daemon the records are read from a copy of its state. A repair is then made by a runtime
that this process opens, as a start of the daemon would: it also finishes what was in work.
"""

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from cri_shim import config
from cri_shim.cli import daemon
from cri_shim.errors import Unavailable, Unimplemented, Unreachable

if TYPE_CHECKING:
    from cri_shim.comparison.look import Look
    from cri_shim.comparison.records import Records
    from cri_shim.rpc.client import Client

SETTLE_S = 60.0  # for what a start finishes in the background
_OLDER = "the daemon is of an earlier version: restart it"


async def compare(
    args: argparse.Namespace, settings: config.Config, *, repair: bool
) -> dict[str, Any]:
    """Return the facts of a comparison, see comparison.watch.

    Unreachable for an unprivileged user without a daemon, or if a daemon runs and does not answer.
    """
    from cri_shim.pb import control_pb2 as control

    async def ask(client: "Client") -> str:
        if repair:
            return (await client.control.Repair(control.RepairRequest())).json
        return (await client.control.Compare(control.CompareRequest())).json

    answer: dict[str, Any] | None = await _asked(args, settings, ask)
    if answer is not None:
        return answer
    _, look = await offline(settings)
    found = [difference.facts() | {"result": ""} for difference in look.differences]
    if repair and (settings.server.root / "state").is_dir():
        await _repair_offline(args)
        left = {difference.identity for difference in (await offline(settings))[1].differences}
        for facts, difference in zip(found, look.differences, strict=True):
            gone = difference.identity not in left
            facts["result"] = (
                "repaired" if gone else "it is still there" if difference.repair else ""
            )
    return {"seconds": look.seconds, "problems": list(look.problems), "differences": found}


async def leaks(args: argparse.Namespace, settings: config.Config) -> dict[str, Any]:
    """Return the facts of comparison.leaks; errors as of `compare`."""
    from cri_shim.comparison import leaks as all_leaks
    from cri_shim.pb import control_pb2 as control

    async def ask(client: "Client") -> str:
        return (await client.control.Leaks(control.LeaksRequest())).json

    answer = await _asked(args, settings, ask)
    return all_leaks.offline(*await offline(settings)) if answer is None else answer


async def _asked(args: argparse.Namespace, settings: config.Config, ask: Any) -> Any:
    """Return the daemon's answer; None if no daemon runs."""
    import json

    try:
        async with daemon.client(args, settings, patient=True) as client:
            return json.loads(await ask(client))
    except Unimplemented:
        raise Unavailable(_OLDER) from None
    except Unreachable as e:
        from cri_shim.problems.offline import in_use

        if os.geteuid():  # a user's mounts are in namespaces that a look must not make
            raise
        if refusal := next((finding.sentence for finding in in_use(settings)), ""):
            raise Unreachable(f"{refusal}, which does not answer here: {e}") from None
        return None


async def offline(settings: config.Config) -> "tuple[Records, Look]":
    """Compare without a daemon, as root; nothing is changed."""
    from cri_shim.assembly import node
    from cri_shim.comparison import offline as without_daemon
    from cri_shim.comparison import ports
    from cri_shim.engine import Paths

    server = settings.server
    paths = Paths(server.root, server.run_root, settings.network.netns_dir)
    rules = await ports.rules()
    return await asyncio.to_thread(
        without_daemon.compare, settings, paths, node.cgroups(settings, paths), rules
    )


async def _repair_offline(args: argparse.Namespace) -> None:
    """Open a runtime, which finishes what was in work, and let it repair the rest."""
    from cri_shim.log import setting
    from cri_shim.runtime import Runtime

    setting.setup("debug" if args.debug else "warning")
    options = [*args.overrides.items(), ("namespace", "")]
    async with Runtime.from_config(args.config, *options) as runtime:
        if not await runtime.engine.work.retrier.settled(SETTLE_S):
            for what, error in runtime.engine.work.retrier.pending().items():
                print(f"cri-shim: {what}: {error or 'not finished yet'}", file=sys.stderr)
        await runtime.compare(repair=True)
