"""Control: the daemon's own RPCs for operators, on the same socket as the CRI."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from cri_shim.engine import Engine
from cri_shim.images import load, prune, running, save, tag
from cri_shim.pb import control_pb2 as control
from cri_shim.store.fetching.progress import PullProgress


class ControlService:
    def __init__(self, engine: Engine, info: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._engine = engine
        self._info = info

    async def Info(self, request: control.InfoRequest) -> control.InfoResponse:
        return control.InfoResponse(json=json.dumps(await self._info()))

    async def LoadImage(self, request: control.LoadImageRequest) -> control.LoadImageResponse:
        loaded = await load.load(self._engine, request.source, request.name)
        images = [control.LoadedImage(id=image.image_id, names=image.names) for image in loaded]
        return control.LoadImageResponse(images=images)

    async def TagImage(self, request: control.TagImageRequest) -> control.TagImageResponse:
        name = await tag.tag(self._engine, request.reference, request.name)
        return control.TagImageResponse(name=name)

    async def SaveImage(self, request: control.SaveImageRequest) -> control.SaveImageResponse:
        id = await save.save(self._engine, request.reference, request.target, request.names)
        return control.SaveImageResponse(id=id)

    async def PruneImages(self, request: control.PruneImagesRequest) -> control.PruneImagesResponse:
        pruned = await prune.prune(self._engine, all=request.all, dry_run=request.dry_run)
        images = [
            control.PrunedImage(id=image.id, names=[*image.repo_tags, *image.repo_digests])
            for image in pruned.images
        ]
        return control.PruneImagesResponse(images=images, freed=pruned.freed)

    async def WatchPulls(
        self, request: control.WatchPullsRequest
    ) -> AsyncIterator[control.WatchPullsResponse]:
        async with aclosing(running.watch(self._engine)) as answers:
            async for pulls in answers:
                yield control.WatchPullsResponse(pulls=map(_pull, pulls))
                if not request.watch:
                    return


def _pull(pull: PullProgress) -> control.Pull:
    layers = [
        control.LayerPull(
            digest=layer.digest,
            state=layer.state,
            done=layer.done,
            total=layer.total,
            attempt=layer.attempt,
            host=layer.host,
        )
        for layer in pull.layers
    ]
    return control.Pull(
        name=pull.name,
        reference=pull.reference,
        asked_by=pull.asked_by,
        started=int(pull.started * 1e9),
        host=pull.host,
        attempt=pull.attempt,
        trouble=pull.trouble,
        done=pull.done,
        total=pull.total,
        rate=round(pull.rate()),
        layers=layers,
    )
