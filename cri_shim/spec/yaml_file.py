"""Reads YAML that others wrote, with limits.

A few lines of YAML can stand for billions of values (aliases of aliases, merged maps), and the time
of libyaml grows with the square of the depth. So the events are counted first, and no value is
built from a text beyond the limits.
"""

from typing import Any

import yaml

from cri_shim.untrusted import text

MAX_VALUES = 50_000  # with every alias written out; 0.3 s of a thread
MAX_DEPTH = 50  # of lists and maps

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, if it is installed


def parse(data: bytes) -> Any:
    """Return the value of one YAML document; ValueError for other text, and beyond the limits."""
    written = text(data)
    try:
        _measure(written)
        return yaml.load(written, _Loader)
    except yaml.YAMLError as e:
        raise ValueError(f"is not YAML: {e}") from e
    except ValueError:
        raise
    except Exception as e:  # PyYAML raises any exception for odd scalars such as `!!timestamp x`
        raise ValueError(f"has a value that is not what its tag says ({type(e).__name__})") from e


def _measure(written: str) -> None:
    """Raise ValueError for a text that is too large or too deep with its aliases written out."""
    anchored: dict[str, int] = {}  # anchor -> number of its values; only complete anchors
    open_at: list[tuple[str | None, int]] = []  # anchor, number of values before it
    values = 0
    for event in yaml.parse(written, Loader=_Loader):
        if isinstance(event, yaml.events.AliasEvent):
            if event.anchor not in anchored:
                raise ValueError(f"has an alias of what is not complete: *{event.anchor}")
            values += anchored[event.anchor]
        elif isinstance(event, yaml.events.ScalarEvent):
            values += 1
            if event.anchor:
                anchored[event.anchor] = 1
        elif isinstance(event, yaml.events.CollectionStartEvent):
            open_at.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            anchor, before = open_at.pop()
            if anchor:
                anchored[anchor] = values - before
        if values > MAX_VALUES:
            raise ValueError(f"has more than {MAX_VALUES} values, with its aliases written out")
        if len(open_at) > MAX_DEPTH:
            raise ValueError(f"is nested more than {MAX_DEPTH} deep")
