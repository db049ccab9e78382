"""The results of ADD on disk, in the place and format of libcni, so that other tools read them.

DIR/results/<network>-<container id>-<interface>, mode 0600, in a directory of mode 0700. The cache
helps DEL, but DEL never needs it: an empty or torn file (after a power cut) counts as absent.
"""

import base64
import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.linux.privacy import make_private, write_private
from cri_shim.untrusted import parse_json, printable, read_file, reason

KIND = "cniCacheV1"
MAX_FILE = 16 << 20  # bytes: a configuration in base64, and a result of at most 4 MiB

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CachedResult:
    """One attachment after ADD."""

    container_id: str
    network: str
    interface: str
    config: bytes  # the network list, JSON
    netns: str = ""
    args: Sequence[tuple[str, str]] = ()
    capability_args: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None


class Cache:
    def __init__(self, directory: Path) -> None:
        self._directory = directory / "results"

    def path(self, network: str, container_id: str, interface: str) -> Path:
        return self._directory / f"{network}-{container_id}-{interface}"

    def write(self, entry: CachedResult) -> None:
        """Store an entry completely or not at all; raises OSError."""
        make_private(self._directory)
        path = self.path(entry.network, entry.container_id, entry.interface)
        write_private(path, _encode(entry))

    def read(self, network: str, container_id: str, interface: str) -> CachedResult | None:
        """Return the entry of an attachment, or None if there is no readable one."""
        return _read(self.path(network, container_id, interface))

    def remove(self, network: str, container_id: str, interface: str) -> None:
        """Remove an attachment, if it exists."""
        final = self.path(network, container_id, interface)
        for path in (final, final.with_name(f".{final.name}")):
            try:
                path.unlink(missing_ok=True)
            except OSError as e:  # it counts as absent, too
                _log.warning("cannot remove %s: %s", path, e.strerror)

    def drop_unreadable(self) -> None:
        """Remove the damaged entries of a power cut; no entry may be written meanwhile."""
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._directory.iterdir()):
                if path.name.startswith(".") or _read(path) is None:
                    path.unlink(missing_ok=True)

    def entries(self) -> Iterator[CachedResult]:
        """Yield every readable entry."""
        try:
            paths = sorted(self._directory.iterdir())
        except FileNotFoundError:
            return
        except OSError as e:
            _log.warning("the CNI cache %s cannot be read: %s", self._directory, e.strerror)
            return
        for path in paths:
            entry = None if path.name.startswith(".") else _read(path)
            if entry is not None:
                yield entry


def _encode(entry: CachedResult) -> bytes:
    document = {
        "kind": KIND,
        "containerId": entry.container_id,
        "config": base64.b64encode(entry.config).decode(),
        "ifName": entry.interface,
        "networkName": entry.network,
        "netns": entry.netns,
        "cniArgs": [list(pair) for pair in entry.args],
        "capabilityArgs": dict(entry.capability_args or {}),
        "result": entry.result,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _read(path: Path) -> CachedResult | None:
    try:
        document = parse_json(read_file(path, MAX_FILE))
        if document["kind"] != KIND:
            raise ValueError(f"kind is {document['kind']!r}")  # noqa: TRY301
        result = document.get("result")
        return CachedResult(
            container_id=str(document["containerId"]),
            network=str(document["networkName"]),
            interface=str(document["ifName"]),
            config=base64.b64decode(document.get("config") or ""),
            netns=str(document.get("netns") or ""),
            args=tuple((str(key), str(value)) for key, value in document.get("cniArgs") or ()),
            capability_args=dict(document.get("capabilityArgs") or {}),
            result=result if isinstance(result, dict) else None,
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        what = printable(f"{path} is no CNI cache entry and counts as absent: {reason(e)}")
        _log.warning("%s", what)
        return None
