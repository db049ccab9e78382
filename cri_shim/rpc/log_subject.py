"""The object of a call, for its log line: found by field names, the same for every RPC.

Only ids, names and image references are logged: requests carry passwords, environments, commands.
"""

from typing import Any

from google.protobuf.message import Message

from cri_shim.activity import Subject
from cri_shim.activity.error_names import Named

_MADE = ("container_id", "pod_sandbox_id", "image_ref", "image_id")
_LONGEST = 200  # characters: a request that will be refused may contain any text


def describe(request: Message, named: Named | None = None) -> str:
    """Return ` OBJECT` of a request, or "": its object, the name of its config, its image.

    `named` finds the name of an id.
    """
    parts = [_of_id(request, named)]
    if config := _field(request, "config"):
        parts.append(_of_config(config))
    if image := _field(request, "image"):
        parts.append(image.image)
    return "".join(f" {_printable(part)}" for part in parts if part)


def subject_of(request: Message, named: Named | None) -> Subject | None:
    """Return the object whose id the request has; None if there is none, or if it is unknown."""
    for kind, field in (("container", "container_id"), ("pod", "pod_sandbox_id")):
        if named is not None and (id := _field(request, field)):
            found = named(kind, id)
            return found if isinstance(found, Subject) else None
    return None


def outcome(response: Message) -> str:
    """Return ` OBJECT` that the call made according to its response, or ""."""
    made = next((value for name in _MADE if (value := _field(response, name))), "")
    return f" {_printable(made)}" if made else ""


def _of_id(request: Message, named: Named | None) -> str:
    for kind, field in (("container", "container_id"), ("pod", "pod_sandbox_id")):
        if id := _field(request, field):
            found = None if named is None else named(kind, id)
            return id if found is None else str(found)
    return ""


def _of_config(config: Any) -> str:
    """Return NAMESPACE/NAME of a pod's config, NAME of a container's."""
    namespace = getattr(config.metadata, "namespace", "")
    return f"{namespace}/{config.metadata.name}" if namespace else str(config.metadata.name)


def _field(message: Message, name: str) -> Any:
    """Return a field by name; None if the message has no such field, or if it is unset."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None or (field.message_type is not None and not message.HasField(name)):
        return None
    return getattr(message, name)


def _printable(text: str) -> str:
    text = text[:_LONGEST]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
