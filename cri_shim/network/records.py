"""Converts between a pod's record and the input of the verbs: the intent, and the attachment."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cri_shim.errors import ConfigError, ToolFailed
from cri_shim.network import capabilities, conflist
from cri_shim.network.cache import CachedResult
from cri_shim.network.result import Result
from cri_shim.network.verbs import Attachment
from cri_shim.pb import state_pb2


def intent(
    network: conflist.NetworkList, interface: str, given: Mapping[str, Any]
) -> state_pb2.NetworkAttachment:
    """Return the record's intent: the list with all input of the plugins, and the skipped ones."""
    complete = replace(network, plugins=capabilities.inline(network.plugins, given))
    return state_pb2.NetworkAttachment(
        network=network.name,
        interface=interface,
        config=complete.to_json(),
        skipped_plugins=capabilities.idle_plugins(complete.plugins),
    )


def attachment(record: state_pb2.PodRecord, planned: state_pb2.NetworkAttachment) -> Attachment:
    """Make the input of the verbs from an intent of a record; ToolFailed if it is unreadable."""
    try:
        network = conflist.from_json(planned.config)
    except ConfigError as e:
        raise ToolFailed(f"pod {record.id}: its record of network {planned.network}: {e}") from e
    return Attachment(
        container_id=record.id,
        netns=record.network.netns_path,
        interface=planned.interface,
        args=tuple(capabilities.cni_args(record)),
        network=network,
        skipped=frozenset(planned.skipped_plugins),
    )


def kept_result(record: state_pb2.PodRecord, planned: state_pb2.NetworkAttachment) -> Result | None:
    """Return the result of ADD in the record: only the first network's is stored there."""
    if not record.network.result or planned != record.network.attachments[0]:
        return None
    with contextlib.suppress(ValueError):
        kept = json.loads(record.network.result)
        return kept if isinstance(kept, dict) else None
    return None


def cache_entry(at: Attachment, final: Result) -> CachedResult:
    """Make the cache entry of an attachment: the plugins that ran, and the last one's result."""
    ran = replace(at.network, plugins=tuple(at.plugins))
    given = {k: v for plugin in ran.plugins for k, v in plugin.get("runtimeConfig", {}).items()}
    return CachedResult(
        container_id=at.container_id,
        network=at.network.name,
        interface=at.interface,
        config=ran.to_json(),
        netns=at.netns,
        args=at.args,
        capability_args=given,
        result=final,
    )


def cached_attachment(entry: CachedResult) -> Attachment:
    """Make an attachment that is only in the cache; raises ToolFailed."""
    try:
        network = conflist.from_json(entry.config)
    except ConfigError as e:
        raise ToolFailed(f"pod {entry.container_id}: its cached configuration: {e}") from e
    return Attachment(entry.container_id, entry.netns, entry.interface, tuple(entry.args), network)
