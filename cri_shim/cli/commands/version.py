"""Show client and daemon versions."""

import argparse
from typing import Any

from cri_shim.cli import daemon, output
from cri_shim.errors import Unreachable
from cri_shim.version import __version__

EXAMPLES = """
cri-shim version
cri-shim version -o json
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add_object(parser)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    socket = daemon.socket(args)
    facts: dict[str, Any] = {"client": {"name": "cri-shim", "version": __version__}}
    text = [f"client: cri-shim {__version__}"]
    try:
        async with daemon.client(args) as client:
            answer = await client.runtime.Version(api.VersionRequest())
    except Unreachable:
        facts["daemon"] = None
        text.append(f"daemon: none at {socket}")
    else:
        name, version, cri = (
            answer.runtime_name, answer.runtime_version, answer.runtime_api_version
        )  # fmt: skip
        facts["daemon"] = {"name": name, "version": version, "cri": cri, "socket": str(socket)}
        text.append(f"daemon: {name} {version} (CRI {cri}) at {socket}")
    output.show_object(args, facts, lambda: "\n".join(text))
    return 0
