"""The history of an image from its config: the steps that made it, with the size of each layer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cri_shim.engine import Engine
from cri_shim.images.query import find
from cri_shim.spec import image_config
from cri_shim.store.image_store import ImageStore


@dataclass(frozen=True, slots=True)
class Entry:
    """One step. `size`: bytes of disk that its layer takes; an empty step has no layer."""

    created: datetime | None
    created_by: str
    comment: str
    empty_layer: bool
    size: int
    diff_id: str = ""  # of the step's layer
    id: str = ""  # the image's id, in the newest step; the other steps are not images here
    tags: tuple[str, ...] = ()  # the image's tags, also in the newest step only


def history(engine: Engine, reference: str) -> list[Entry]:
    """Return the steps, newest first, as `docker history` lists them.

    A config may list fewer steps than there are layers; each further layer becomes a step
    without a description.
    """
    store, image = engine.images, find(engine, reference)
    layers = list(image.layers)
    steps = [_entry(store, step, layers) for step in image_config.steps(image.config)]
    steps += [_entry(store, {}, layers) for _ in range(len(layers))]
    steps.reverse()
    if steps:
        newest = steps[0]
        steps[0] = Entry(
            newest.created, newest.created_by, newest.comment, newest.empty_layer, newest.size,
            newest.diff_id, image.id, tuple(image.repo_tags),
        )  # fmt: skip
    return steps


def _entry(store: ImageStore, step: dict[str, Any], layers: list[str]) -> Entry:
    empty = bool(step.get("empty_layer")) or not layers
    diff_id = "" if empty else layers.pop(0)
    record = store.catalog.layer(diff_id) if diff_id else None
    return Entry(
        created=when(step.get("created")),
        created_by=str(step.get("created_by") or ""),
        comment=str(step.get("comment") or ""),
        empty_layer=empty,
        size=record.size if record is not None else 0,
        diff_id=diff_id,
    )


def when(text: object) -> datetime | None:
    """Parse an RFC 3339 time, as configs have it; None if it cannot be parsed."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
