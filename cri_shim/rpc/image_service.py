"""ImageService: each RPC calls one use case; `boundary` has validated the request."""

from collections.abc import AsyncIterator

from cri_shim.engine import Engine
from cri_shim.images import pull, query, remove
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.chunks import parts


class ImageService:
    """The RPCs of runtime.v1.ImageService that the daemon serves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def PullImage(self, request: api.PullImageRequest) -> api.PullImageResponse:
        auth = request.auth if request.HasField("auth") else None
        pod = request.sandbox_config.metadata
        asked_by = f"{pod.namespace}/{pod.name}" if pod.namespace or pod.name else ""
        return api.PullImageResponse(
            image_ref=await pull.pull(self._engine, request.image.image, auth, asked_by)
        )

    async def ListImages(self, request: api.ListImagesRequest) -> api.ListImagesResponse:
        return api.ListImagesResponse(images=query.listed(self._engine, request.filter))

    async def StreamImages(
        self, request: api.StreamImagesRequest
    ) -> AsyncIterator[api.StreamImagesResponse]:
        async for part in parts(query.listed(self._engine, request.filter)):
            yield api.StreamImagesResponse(images=part)

    async def ImageStatus(self, request: api.ImageStatusRequest) -> api.ImageStatusResponse:
        image, info = query.status(self._engine, request.image.image, verbose=request.verbose)
        return api.ImageStatusResponse(image=image, info=info)

    async def RemoveImage(self, request: api.RemoveImageRequest) -> api.RemoveImageResponse:
        await remove.remove(self._engine, request.image.image)
        return api.RemoveImageResponse()

    async def ImageFsInfo(self, request: api.ImageFsInfoRequest) -> api.ImageFsInfoResponse:
        return await query.fs_info(self._engine)
