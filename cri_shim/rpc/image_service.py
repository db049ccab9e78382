"""ImageService: each RPC calls one use case; `boundary` has validated the request."""

from collections.abc import AsyncIterator

from cri_shim.images import Images
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.chunks import parts


class ImageService:
    """The RPCs of runtime.v1.ImageService that the daemon serves."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def PullImage(self, request: api.PullImageRequest) -> api.PullImageResponse:
        auth = request.auth if request.HasField("auth") else None
        return api.PullImageResponse(image_ref=await self._images.pull(request.image.image, auth))

    async def ListImages(self, request: api.ListImagesRequest) -> api.ListImagesResponse:
        return api.ListImagesResponse(images=self._images.list(request.filter))

    async def StreamImages(
        self, request: api.StreamImagesRequest
    ) -> AsyncIterator[api.StreamImagesResponse]:
        async for part in parts(self._images.each(request.filter)):
            yield api.StreamImagesResponse(images=part)

    async def ImageStatus(self, request: api.ImageStatusRequest) -> api.ImageStatusResponse:
        image, info = self._images.status(request.image.image, verbose=request.verbose)
        return api.ImageStatusResponse(image=image, info=info)

    async def RemoveImage(self, request: api.RemoveImageRequest) -> api.RemoveImageResponse:
        await self._images.remove(request.image.image)
        return api.RemoveImageResponse()

    async def ImageFsInfo(self, request: api.ImageFsInfoRequest) -> api.ImageFsInfoResponse:
        return await self._images.fs_info()
