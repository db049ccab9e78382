"""How containers ended, in the words of `ps`: Exited (137) OOMKilled."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cri_shim.errors import CriShimError

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.rpc.client import Client

_AT_ONCE = 16  # calls: the list does not have the exit codes
_PLAIN = ("", "Completed", "Error")  # reasons that tell no more than the code


async def endings(client: "Client", ids: Sequence[str]) -> dict[str, str]:
    """Return the ending of each container that is still there."""
    found: dict[str, str] = {}
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(id: str) -> None:
        from cri_shim.pb import api_pb2 as api

        async with free:
            try:
                answer = await client.runtime.ContainerStatus(
                    api.ContainerStatusRequest(container_id=id)
                )
            except CriShimError:  # removed meanwhile: its state is shown without it
                return
        found[id] = ending(answer.status)

    async with asyncio.TaskGroup() as group:
        for id in ids:
            group.create_task(ask(id), name=f"status of {id}")
    return found


def ending(status: "api_pb2.ContainerStatus") -> str:
    """Return how a container ended: the code, and the reason if it says more than the code."""
    reason = "" if status.reason in _PLAIN else f" {status.reason}"
    return f"Exited ({status.exit_code}){reason}"
