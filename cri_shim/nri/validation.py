"""Validators: plugins that may reject the adjustments of a container, and the default validator."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.nri.creation import Creation
from cri_shim.nri.plugin import LinkEnded, Plugin
from cri_shim.nri.rules import Rules
from cri_shim.pb import nri_pb2 as pb

_METHOD = "ValidateContainerAdjustment"


@dataclass(frozen=True, slots=True)
class Validators:
    """`rules`: the default validator; None: it is off."""

    rules: Rules | None

    async def check(
        self, plugins: Sequence[Plugin], pristine: pb.Container, creation: Creation
    ) -> None:
        """ToolFailed if one validator rejects the adjustments, or fails to validate them.

        `pristine` is the container as it was before the plugins changed it.
        """
        asked = [plugin for plugin in plugins if plugin.gets(_METHOD)]
        if self.rules is None and not asked:
            return
        request = pb.ValidateContainerAdjustmentRequest(
            pod=creation.request.pod,
            container=pristine,
            adjust=creation.adjust,
            update=[update for _, update in creation.updates.others()],
            owners=creation.owners.message,
            plugins=[pb.PluginInstance(name=p.name, index=p.index) for p in plugins if not p.gone],
        )
        if self.rules is not None:
            self.rules.check(request, creation.owners)
        await asyncio.gather(*(_ask(plugin, request) for plugin in asked))


async def _ask(plugin: Plugin, request: pb.ValidateContainerAdjustmentRequest) -> None:
    answer = pb.ValidateContainerAdjustmentResponse()
    try:
        await plugin.call(_METHOD, request, answer)
    except (TimeoutError, LinkEnded) as e:
        await plugin.failed(_METHOD, e)
        problem = str(e) or "it did not answer in time"
        raise ToolFailed(f"NRI plugin {plugin} failed to validate a container: {problem}") from e
    except CriShimError as e:
        raise ToolFailed(f"NRI plugin {plugin} failed to validate a container: {e}") from e
    if answer.reject:
        reason = answer.reason or "it gives no reason"
        raise ToolFailed(f"NRI plugin {plugin} rejects the adjustments of a container: {reason}")
