"""Where a short image name is looked for: `unqualified-search-registries` of registries.conf(5).

skopeo itself reads everything else of that file (mirrors, blocked, insecure, locations); this list
is the one thing it leaves to its caller. Aliases are left out on purpose: a distribution's alias
file would make the same pod mean another image than on the next node.
"""

import logging
import tomllib
from pathlib import Path

DEFAULT_FILE = Path("/etc/containers/registries.conf")
_KEY = "unqualified-search-registries"

_log = logging.getLogger(__name__)


def search_registries(file: Path | None = None) -> list[str]:
    """The registries to try for a short name, in order; empty where none are configured.

    Drop-ins in `registries.conf.d` beside the file win over it, the last one in name order first.
    """
    main = file or DEFAULT_FILE
    drop_ins = sorted(main.with_name(f"{main.name}.d").glob("*.conf"), reverse=True)
    for source in [*drop_ins, main]:
        found = _read(source)
        if found is not None:
            return found
    return []


def _read(file: Path) -> list[str] | None:
    try:
        value = tomllib.loads(file.read_text()).get(_KEY)
    except FileNotFoundError:
        return None
    except (OSError, tomllib.TOMLDecodeError) as e:
        _log.warning("%s is not read for %s: %s", file, _KEY, e)
        return None
    if not isinstance(value, list):
        return None
    return [str(registry) for registry in value]
