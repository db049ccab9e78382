"""The RPCs of Control for images, and for the disk that they take."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

from cri_shim.engine import Engine
from cri_shim.images import diff, history, inspect, load, mount, prune, query, running, save, tag
from cri_shim.images.history import Entry
from cri_shim.pb import control_pb2 as control
from cri_shim.pods import disk_usage, image_use
from cri_shim.rpc.change_parts import change_parts
from cri_shim.store.fetching.progress import PullProgress


class ControlImages:
    """A base class of ControlService."""

    _engine: Engine

    async def LoadImage(self, request: control.LoadImageRequest) -> control.LoadImageResponse:
        loaded = await load.load(self._engine, request.source, request.name)
        images = [control.LoadedImage(id=image.image_id, names=image.names) for image in loaded]
        return control.LoadImageResponse(images=images)

    async def TagImage(self, request: control.TagImageRequest) -> control.TagImageResponse:
        name = await tag.tag(self._engine, request.reference, request.name)
        return control.TagImageResponse(name=name)

    async def UntagImage(self, request: control.UntagImageRequest) -> control.UntagImageResponse:
        await tag.untag(self._engine, request.reference, request.names)
        return control.UntagImageResponse()

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

    async def InspectImage(
        self, request: control.InspectImageRequest
    ) -> control.InspectImageResponse:
        facts = inspect.inspect(self._engine, request.reference)
        return control.InspectImageResponse(json=json.dumps(facts))

    async def ImageHistory(
        self, request: control.ImageHistoryRequest
    ) -> control.ImageHistoryResponse:
        steps = map(_step, history.history(self._engine, request.reference))
        return control.ImageHistoryResponse(steps=steps)

    async def MountImage(self, request: control.MountImageRequest) -> control.MountImageResponse:
        path = await mount.mount(self._engine, request.reference)
        return control.MountImageResponse(path=str(path))

    async def UnmountImage(
        self, request: control.UnmountImageRequest
    ) -> control.UnmountImageResponse:
        id = request.reference  # of an image that was removed, and is still mounted
        if id not in self._engine.images.mounted.images():
            id = query.find(self._engine, request.reference).id
        await mount.unmount(self._engine, id, lazy=request.lazy)
        return control.UnmountImageResponse()

    async def DiffImage(
        self, request: control.DiffImageRequest
    ) -> AsyncIterator[control.DiffResponse]:
        found = await diff.diff(self._engine, request.reference, request.other)
        async for part in change_parts(found):
            yield part

    async def ImageUse(self, request: control.ImageUseRequest) -> control.ImageUseResponse:
        return control.ImageUseResponse(images=image_use.users(self._engine))

    async def DiskUsage(self, request: control.DiskUsageRequest) -> control.DiskUsageResponse:
        return await disk_usage.usage(self._engine)

    async def WatchPulls(
        self, request: control.WatchPullsRequest
    ) -> AsyncIterator[control.WatchPullsResponse]:
        async with aclosing(running.watch(self._engine)) as answers:
            async for pulls in answers:
                yield control.WatchPullsResponse(pulls=map(_pull, pulls))
                if not request.watch:
                    return


def _step(entry: Entry) -> control.ImageStep:
    return control.ImageStep(
        created="" if entry.created is None else entry.created.isoformat(),
        created_by=entry.created_by,
        comment=entry.comment,
        size=entry.size,
        diff_id=entry.diff_id,
        id=entry.id,
        tags=entry.tags,
    )


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
