"""What a running daemon tells: its state, its findings, its configuration, and CRI's Status."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.support import redact

# `client` is rpc.client.Client: this package does not know gRPC.
Part = Callable[[Any], Awaitable[Any]]


async def info(client: Any) -> Any:
    return json.loads((await client.control.Info(control.InfoRequest())).json)


async def check(client: Any) -> Any:
    return json.loads((await client.control.Check(control.CheckRequest())).json)


async def configuration(client: Any) -> Any:
    found = json.loads((await client.control.Config(control.ConfigRequest())).json)
    return of_configuration(found)


async def status(client: Any) -> Any:
    """Return the conditions, and what verbose adds to `info`: retries and pulls."""
    answer = await client.runtime.Status(api.StatusRequest(verbose=True))
    conditions = [
        {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message}
        for c in answer.status.conditions
    ]
    verbose = {key: json.loads(value) for key, value in answer.info.items() if key != "config"}
    return {"conditions": conditions, **verbose}


def of_configuration(found: dict[str, Any]) -> dict[str, Any]:
    """Return values and origins without the values of environment variables."""
    variables = redact.variables(found["values"].get("conmon_env_vars", []))
    return {**found, "values": {**found["values"], "conmon_env_vars": variables}}


PARTS: dict[str, Part] = {
    "info.json": info,
    "check.json": check,
    "config.json": configuration,
    "status.json": status,
}
