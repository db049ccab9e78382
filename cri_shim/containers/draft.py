"""The record of a new container, from its request, its pod and its image; nothing is written.

Everything that needs no file system is checked here.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from cri_shim.containers import dependencies, volumes
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.images import query
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import signals, userns
from cri_shim.spec.image_config import ImageConfig, parse
from cri_shim.state.records import VERSIONS
from cri_shim.store.catalog import stack


def container(
    engine: Engine,
    pod: state.PodRecord,
    config: api.ContainerConfig,
    depends_on: Sequence[str] = (),
    *,
    id: str,
) -> tuple[state.ContainerRecord, ImageConfig]:
    """Return the record of a new container and its image's configuration; nothing is written."""
    image = query.resolve(engine, config.image.image)
    if image is None:
        raise NotFound(f"image {config.image.image} is not on this node; pull it first")
    if image.artifact_type:
        raise InvalidArgument(
            "config.image",
            f"{config.image.image} is an artifact ({image.artifact_type}), which has no program to"
            " run; mount it as an image volume",
        )
    image_config = parse(image.config)
    userns.check_container(config, userns.of_pod(pod.config))
    log_path = ""
    if pod.config.log_directory and config.log_path:
        log_path = str(Path(pod.config.log_directory) / config.log_path)
    record = state.ContainerRecord(
        version=VERSIONS["container"],
        id=id,
        state_namespace=engine.objects.state_namespace,
        pod_id=pod.id,
        phase=state.CONTAINER_CREATING,
        config=config,
        image_id=image.id,
        image_ref=image.repo_digests[0] if image.repo_digests else image.id,
        image_name=config.image.user_specified_image or config.image.image,
        layers=stack(image),
        handler=pod.handler,
        log_path=log_path,
        cgroups_path=engine.cgroups.oci_path(pod.cgroup_parent, id),
        resources=config.linux.resources,
        stop_signal=signals.effective(config.stop_signal, image_config.stop_signal),
        boot_id=engine.boot_id,
        created_at=time.time_ns(),
        image_volumes=volumes.intended(engine, config),
        depends_on=dependencies.of(engine, pod, config, depends_on),
    )
    return record, image_config
