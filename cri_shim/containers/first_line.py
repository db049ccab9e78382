"""When the first line of a container's log came, for its timeline. The log itself has the time."""

from pathlib import Path

from cri_shim.errors import CriShimError
from cri_shim.objects import ObjectStore
from cri_shim.oci import log_file
from cri_shim.timeline import Entry
from cri_shim.timeline.entry import FIRST_LINE

MOST_S = 300.0  # after the start; a later one may be the first of a log that was rotated
_SECOND = 1_000_000_000  # nanoseconds


async def entry(objects: ObjectStore, id: str) -> Entry | None:
    """Return the time from a container's start to its first line, as an entry.

    None if there is no such line, or not within MOST_S; if the log cannot be read; and if the line
    is older than the start: several containers may write to one log.
    """
    container = objects.find_container(id)
    if container is None or not container.log_path or not container.started_at:
        return None
    try:
        moment = await log_file.begin(Path(container.log_path))
    except CriShimError:
        return None
    if moment is None or not 0 <= moment - container.started_at <= MOST_S * _SECOND:
        return None
    return Entry(
        verb=FIRST_LINE,
        kind="container",
        id=id,
        name=objects.container_subject(id).name,
        begin=container.started_at / _SECOND,
        seconds=(moment - container.started_at) / _SECOND,
    )
